"""What happens while the runtime waits for the engine. It runs in the test, without its ticks: what it misses it would never notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet
from nats.aio.msg import Msg

from libs.common import ids, subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.engine import containers, networks
from libs.common.engine.connect import Engine
from libs.common.messages.api import Complete, Desired, HealthCheck, Limits, Release, Run
from libs.common.states import Intent
from services.runtime import __main__ as runtime
from services.runtime import fleet as fleets
from services.runtime import lookout, spec
from services.runtime.fleet import Fleet
from services.runtime.plan import plan
from services.runtime.replica import Key, Replica
from services.runtime.runs.container import container_spec
from services.runtime.runs.errand import errands
from services.runtime.settings import Settings
from services.runtime.steps import AnnounceAhead
from services.runtime.world import World
from tests import images
from tests.integration.router.stack import until
from tests.integration.runtime.wire import Wire
from tests.servers.nats import NatsServer


class Place:
    """A runtime that asks the engine over `wire`; `engine` asks it directly, as somebody else does."""

    def __init__(self, fleet: Fleet, wire: Wire, engine: Engine, bus: Bus) -> None:
        self.fleet = fleet
        self.world = fleet.world
        self.wire = wire
        self.engine = engine
        self._wishes: Bucket[Desired] = Bucket(bus, subjects.DESIRED, Desired)

    def release(self, number: int, **fields: object) -> Release:
        defaults: dict[str, object] = {
            "deployment_id": ids.new("dep"),
            "image": "bare",
            "image_id": self.engine.api.inspect_image(images.bare())["Id"],
            "command": ("sleep", "1000"),
            "port": 8080,
            "env": self.world.vault.seal({}),
            "health_check": HealthCheck(type="none"),
            "drain_seconds": 1,
        }
        return Release(number=number, **{**defaults, **fields})  # type: ignore[arg-type]

    async def want(self, wish: Desired) -> Desired:
        await self._wishes.put(wish.app_id, wish)
        return wish

    def replicas(self, app_id: str) -> list[Replica]:
        app = self.fleet.apps.get(app_id)
        return sorted(app.view.replicas.values(), key=lambda one: one.key) if app else []

    async def running(self, wish: Desired) -> list[Replica]:
        """Wait until all that is wanted runs, and nothing is done to it any more."""

        def all_run() -> bool:
            there = self.replicas(wish.app_id)
            idle = not any(self.fleet.apps[wish.app_id].working_on(one.id) for one in there)
            return len(there) == wish.replicas and idle and all(one.running and one.limits == wish.limits for one in there)

        await until(all_run)
        return self.replicas(wish.app_id)

    async def make(self, wish: Desired, key: Key) -> str:
        """Make a container of the current release as another runtime would, or as this one did in an earlier life."""
        await self.world.networks.ensure(wish.project_id)
        address = self.world.networks.take(wish.project_id)
        assert address is not None
        assert wish.current is not None
        made = spec.container_spec(wish, wish.current, key, env={}, address=address, place=self.world.place)
        return await containers.create(self.engine, made)

    async def clear(self) -> None:
        for listed in await containers.list_ours(self.engine, self.world.place.instance):
            await containers.remove(self.engine, listed.id)
        for network in await networks.list_all(self.engine):
            if network.labels.get("dockup.instance") == self.world.place.instance:
                with contextlib.suppress(Exception):
                    await networks.remove(self.engine, network.id)


@pytest.fixture
async def place(home: Path, nats_server: NatsServer, bus: Bus, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(fleets, "TICK_SECONDS", 3_600)
    wire = Wire(home / "engine.sock")
    await wire.mend()
    behind = await Engine.open(wire.url)
    own = await Bus.connect(nats_server.url, "runtime")
    settings = Settings(home=str(home), instance=ids.new("t")[-12:], secret_key=Fernet.generate_key().decode(), nats_url="")
    world = World(settings, own, behind, node="n")
    fleet = runtime._fleet(world, home)
    await Bucket(bus, subjects.DESIRED, Complete).put(subjects.COMPLETE_KEY, Complete(epoch=1))
    mirrors = (world.desired_mirror, world.route_mirror, world.applied_mirror, world.lease_mirror, world.scale_mirror)
    tasks = [asyncio.create_task(mirror.run()) for mirror in mirrors]
    for mirror in mirrors:
        await mirror.listed.wait()
    place = Place(fleet, wire, engine, bus)
    yield place
    fleet.stop()
    for task in tasks:
        task.cancel()
    wire.let_go()
    await place.clear()
    await own.close()
    await wire.cut()
    behind.close()


def wish(release: Release, **fields: object) -> Desired:
    app_id = ids.new("app")
    defaults: dict[str, object] = {"app_id": app_id, "project_id": ids.new("prj"), "slug": app_id.replace("_", "-"), "hosts": ()}
    defaults |= {"epoch": 1, "revision": 1, "intent": Intent.RUNNING, "current": release}
    return Desired(**{**defaults, **fields})  # type: ignore[arg-type]


async def test_what_an_app_is_slow_to_tell_about_keeps_no_other_waiting(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "_LOOK_SECONDS", 3_600)
    held, other = wish(place.release(1)), wish(place.release(1))
    container_id = await place.make(held, Key(1, 0, 0))
    place.wire.hold_at(f"/containers/{container_id}/json".encode())
    await place.want(held)
    await place.want(other)
    await until(lambda: len(place.world.wants.entries) == 2)
    place.fleet.start()
    await place.running(other)
    assert not place.fleet.lookout.has_seen(held.app_id)
    assert not place.replicas(held.app_id)
    place.wire.let_go()
    assert [one.id for one in await place.running(held)] == [container_id]
    assert place.fleet.lookout.has_seen(held.app_id)


async def test_a_pause_during_a_change_of_limits_is_noticed(place: Place) -> None:
    """It may be a killed runtime's, whose call the engine takes now. Events come in their order: that of the second says it was heard."""
    place.fleet.start()
    app = await place.want(wish(place.release(1), replicas=2))
    first, second = await place.running(app)
    place.wire.hold_at(f"/containers/{first.id}/update".encode())
    await place.want(msgspec.structs.replace(app, revision=2, limits=Limits(cpu=0.5)))
    await until(place.wire.holds.is_set)
    await containers.pause(place.engine, first.id)
    await containers.pause(place.engine, second.id)
    await until(lambda: place.replicas(app.app_id)[1].paused)
    place.wire.let_go()
    await until(lambda: place.replicas(app.app_id)[0].paused)


async def test_a_container_that_somebody_else_makes_is_known_at_once(place: Place) -> None:
    """Another runtime acts on this engine, which has heard of a later wish than this one: this one does nothing any more."""
    place.fleet.start()
    app = await place.want(wish(place.release(1)))
    await place.running(app)
    later = msgspec.structs.replace(app, revision=2, current=place.release(2))
    made = await place.make(later, Key(2, 0, 0))
    await until(lambda: made in {one.id for one in place.replicas(app.app_id)})
    there = place.fleet.apps[app.app_id]
    assert {type(step) for step in plan(there.desired, there.see(), place.world.clock.now())} <= {AnnounceAhead}


async def test_the_container_of_a_run_that_somebody_else_makes_is_known_at_once(place: Place) -> None:
    place.fleet.start()
    app = await place.want(wish(place.release(1)))
    await place.running(app)
    later = msgspec.structs.replace(app, revision=2, runs=(Run(id=ids.new("run"), command=("sleep", "9"), timeout_seconds=9),))
    [errand] = errands(later)
    address = place.world.networks.take(app.project_id)
    assert address is not None
    assert later.current is not None
    made = container_spec(later, later.current, errand, env={}, address=address, place=place.world.place)
    container_id = await containers.create(place.engine, made)
    await until(lambda: container_id in place.fleet.apps[app.app_id].runs.runners)


async def test_a_network_that_is_made_while_the_engine_lists_is_known(place: Place) -> None:
    project = ids.new("prj")
    place.wire.hold_at(b"GET /v1.41/networks")
    listing = asyncio.create_task(place.world.networks.load())
    await until(place.wire.holds.is_set)
    place.wire.hold_at()
    await place.world.networks.ensure(project)
    place.wire.let_go()
    await listing
    assert place.world.networks.has(project)


async def test_what_was_removed_while_the_engine_told_about_it_stays_away(place: Place) -> None:
    place.fleet.start()
    app = await place.want(wish(place.release(1)))
    [there] = await place.running(app)
    known = place.fleet.apps[app.app_id]
    known.view.change(there.id, started_at=None)  # so that a look asks
    place.wire.hold_at(f"/containers/{there.id}/json".encode())
    look = asyncio.create_task(place.fleet.lookout.look())
    await until(place.wire.holds.is_set)
    place.wire.hold_at()
    await containers.remove(place.engine, there.id)
    await until(lambda: there.id not in known.view.replicas)
    place.wire.let_go()
    await look
    await until(lambda: place.fleet.lookout.has_seen(app.app_id))
    assert there.id not in known.view.replicas
    await place.running(app)


async def test_a_release_command_that_failed_fails_no_later_candidate(place: Place) -> None:
    """Another is the candidate by the time that its log is read."""
    place.fleet.start()
    first, second = place.release(1, release_command=("sh", "-c", "exit 3")), place.release(2)
    place.wire.hold_at(b"/logs?")
    app = await place.want(wish(first, current=None, candidate=first))
    await until(place.wire.holds.is_set)
    await place.want(msgspec.structs.replace(app, revision=2, candidate=second))
    there = place.fleet.apps[app.app_id]
    await until(lambda: there.desired.revision == 2)
    place.wire.let_go()
    await until(lambda: first.deployment_id in there.runs.ended)
    assert not there.view.failed
    await until(lambda: any(one.running for one in place.replicas(app.app_id)))


async def test_who_is_not_sure_of_the_lease_removes_nothing(place: Place) -> None:
    place.fleet.start()
    app = await place.want(wish(place.release(1), replicas=2))
    await place.running(app)
    place.world.sure = lambda: False
    fewer = await place.want(msgspec.structs.replace(app, revision=2, replicas=1))
    there = place.fleet.apps[app.app_id]
    await until(lambda: there.desired.revision == 2)
    assert not there.see().may_remove
    place.world.sure = lambda: True
    place.fleet.wake_all()
    await place.running(fewer)


async def test_limits_that_were_refused_too_late_are_not_said_of_later_ones(place: Place, bus: Bus) -> None:
    said: list[str] = []

    async def hear(message: Msg) -> None:
        said.append(subjects.parse(message.subject).name)

    await bus.client.subscribe(subjects.EVERY_EVENT, cb=hear)
    place.fleet.start()
    app = await place.want(wish(place.release(1)))
    [there] = await place.running(app)
    place.wire.hold_at(f"/containers/{there.id}/update".encode())
    await place.want(msgspec.structs.replace(app, revision=2, limits=Limits(memory=4)))  # which no engine takes
    await until(place.wire.holds.is_set)
    later = await place.want(msgspec.structs.replace(app, revision=3, limits=Limits(memory=96)))
    known = place.fleet.apps[app.app_id]
    await until(lambda: known.desired.revision == 3)
    place.wire.let_go()
    await place.running(later)
    await until(lambda: known.teller.idle and "ReplicaHealthy" in said)
    await bus.client.flush()
    assert "LimitsRefused" not in said
