"""Decisions on real parts: a busy container, the routers' words, and what stands in the bucket afterwards."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import msgspec
import pytest

from libs.common import clock, ids, subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.messages.api import Autoscale, Desired, Release
from libs.common.messages.metrics import AutoscaleDecided
from libs.common.messages.router import RESPONSE_BOUNDS, AppTraffic, Traffic
from libs.common.messages.scale import Scale
from libs.common.states import Intent
from services.metrics.autoscale.scaler import Scaler
from services.metrics.history.keeper import History
from services.metrics.inventory import Found
from services.metrics.latest import Latest
from services.metrics.observe import Observer
from services.metrics.settings import Settings
from services.metrics.traffic import Inflow
from tests.conftest import DOCKER_HOST
from tests.integration.metrics.conftest import Make
from tests.servers.nats import NatsServer
from tests.stack.eventually import eventually

RELEASE = Release(number=1, deployment_id="dep_1", image="web", image_id="sha256:1", port=8080, env="")


class Ground:
    """What the API, a router and the feed have to do with it."""

    def __init__(self, bus: Bus, router: Bus) -> None:
        self.app = ids.new("app")
        self.said: list[AutoscaleDecided] = []
        self.wishes: Bucket[Desired] = Bucket(bus, subjects.DESIRED, Desired)
        self.scales: Bucket[Scale] = Bucket(router, subjects.SCALE, Scale)
        self._router = router
        self._revision = 0

    async def want(self, **policy: float | None) -> None:
        await self.wishes.put(self.app, self.wish(**policy))

    def wish(self, **policy: float | None) -> Desired:
        self._revision += 1
        return Desired(
            app_id=self.app,
            project_id="prj_1",
            slug="demo",
            hosts=(),
            epoch=1,
            revision=self._revision,
            intent=Intent.RUNNING,
            autoscale=Autoscale(**{"max_replicas": 3, "scale_up_cooldown_seconds": 0, **policy}),  # type: ignore[arg-type]
            current=RELEASE,
        )

    def word(self, number: int, **counts: int) -> Traffic:
        apps = (AppTraffic(app_id=self.app, **counts),) if counts else ()
        return Traffic(router_id="rtr_1", at=clock.now(), interval_seconds=0.5, number=number, bounds=RESPONSE_BOUNDS, apps=apps)

    async def pass_on(self, number: int, **counts: int) -> None:
        await self._router.broadcast(subjects.TRAFFIC, self.word(number, **counts))

    @contextlib.asynccontextmanager
    async def passing(self, **counts: int) -> AsyncIterator[None]:
        """A router that says the same every half second."""

        async def say() -> None:
            number = 0
            while True:
                number += 1
                await self.pass_on(number, **counts)
                await asyncio.sleep(0.5)

        task = asyncio.create_task(say())
        yield
        task.cancel()

    async def decides(self, replicas: int) -> Scale:
        async def ask() -> Scale | None:
            found = await self.scales.get(self.app)
            return found[0] if found and found[0].replicas == replicas else None

        scale = await eventually(ask, what=f"{replicas} replicas")
        assert scale
        return scale

    async def hears(self, words: int) -> None:
        async def enough() -> bool:
            return len(self.said) >= words

        await eventually(enough, what=f"{words} words")

    async def hear(self, body: bytes) -> None:
        self.said.append(msgspec.json.decode(body, type=AutoscaleDecided))


@pytest.fixture
async def ground(nats_server: NatsServer) -> AsyncIterator[Ground]:
    api, router = [await Bus.connect(nats_server.url, name) for name in ("api", "router")]
    ground = Ground(api, router)
    await api.listen(subjects.build("evt", "metrics", "AutoscaleDecided", ground.app), ground.hear)
    yield ground
    await api.close()
    await router.close()


async def test_a_busy_app_gets_more_and_it_is_said_again_by_the_next_process(make: Make, ground: Ground) -> None:
    station = await make()
    await station.run(ground.app, "while :; do :; done")
    await ground.want(target_cpu_percent=20)
    scale = await ground.decides(3)
    assert (scale.by, scale.before, scale.passed, scale.number) == ("metrics", 1, "target_cpu_percent", 1)
    assert scale.figures["cpu_percent"] > 22
    await ground.hears(1)
    (said,) = ground.said
    assert (said.replicas, said.before, said.reason, said.at) == (3, 1, scale.reason, scale.at)
    await station.restart()
    await ground.hears(2)
    assert {word.event_id for word in ground.said} == {said.event_id}, "the same word: it is in the feed once"


async def test_nothing_is_decided_from_what_is_not_known_and_a_wake_wins(make: Make, ground: Ground) -> None:
    station = await make()
    await station.run(ground.app, "exec sleep 1000")
    await ground.want(target_requests_per_second=10, min_replicas=0, idle_timeout_seconds=1, scale_down_cooldown_seconds=1)
    async with ground.passing(requests=20, status_2xx=20):
        await ground.decides(3)
    # The router falls silent: neither fewer nor none, though nothing is heard of any request. Then something is open, which is not idle.
    await asyncio.sleep(2)
    async with ground.passing(open=1):
        await asyncio.sleep(2)
        assert (await ground.decides(3)).number == 1
    async with ground.passing():
        slept = await ground.decides(0)
        assert slept.passed == "idle_timeout_seconds"
        # A request wakes it: whoever wrote last is believed, and idleness begins anew.
        found = await ground.scales.get(ground.app)
        assert found
        woken = Scale(app_id=ground.app, replicas=1, at=clock.now(), by="router", number=slept.number + 1)
        await ground.scales.swap(ground.app, woken, found[1])
        again = await ground.decides(0)
        assert again.number == slept.number + 2
        assert clock.parse(again.at) > clock.parse(woken.at)


async def test_an_entry_of_a_time_that_nobody_can_read_counts_for_nothing(make: Make, ground: Ground) -> None:
    """It ends nothing, and the next decision takes its place."""
    await ground.scales.swap(ground.app, Scale(app_id=ground.app, replicas=2, at="yesterday", by="metrics"), 0)
    station = await make()
    await station.run(ground.app, "while :; do :; done")
    await ground.want(target_cpu_percent=20)
    assert (await ground.decides(3)).number > 1


class Between(Observer):
    """Something happens while it looks."""

    happens: Callable[[], None] = staticmethod(lambda: None)

    async def look_at(self, app_ids: Collection[str]) -> Found | None:
        found = await super().look_at(app_ids)
        self.happens()
        return found


async def test_an_app_that_is_deployed_while_it_is_looked_at_is_let_be(nats_server: NatsServer, ground: Ground, tmp_path: Path) -> None:
    bus = await Bus.connect(nats_server.url, "metrics")
    settings = Settings(home=str(tmp_path), instance=ids.new("t"), nats_url=nats_server.url, docker_host=DOCKER_HOST)
    history, inflow = History(tmp_path / "history.db", 30.0), Inflow(60.0)
    observer = Between(settings, bus, Latest("", 30.0), history, inflow)
    scaler = Scaler(bus, observer, inflow, 60.0)
    wish = ground.wish(min_replicas=0, idle_timeout_seconds=0)

    def take(desired: Desired) -> None:
        scaler._take(ground.app, msgspec.Raw(msgspec.json.encode(desired)))

    try:
        await observer.beat()
        inflow.take(msgspec.json.encode(ground.word(1)))
        take(wish)
        await scaler.turn()
        observer.happens = lambda: take(msgspec.structs.replace(wish, candidate=RELEASE))
        await scaler.turn()
        assert await ground.scales.get(ground.app) is None
        observer.happens = lambda: None
        take(wish)
        for _ in range(2):
            await scaler.turn()
        await ground.decides(0)
    finally:
        observer.close()
        history.close()
        await bus.close()
