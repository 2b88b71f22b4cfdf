"""Stats and their bad days as the API answers them; what is right in them is for the tests that have an engine."""

from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from libs.common import ids, subjects
from libs.common.bus import Bus, BusAway
from libs.common.messages.metrics import Observation, ReplicaSample
from libs.common.states import ReplicaState
from services.metrics.parts import parts
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["stats", "stats/history", "metrics"])
async def test_nobody_measures(api: ApiServer, app: dict[str, Any], path: str) -> None:
    answer = await api.client.get(f"/apps/{app['slug']}/{path}")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["retryable"]) == (503, "stats_unavailable", True)
    assert problem["hint"]
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ("minutes=0", "validation_failed", "/minutes"),
        ("minutes=525601", "validation_failed", "/minutes"),
        ("minutes=an+hour", "validation_failed", "/minutes"),
        ("minutes=1.5", "validation_failed", "/minutes"),
        ("replica=", "validation_failed", "/replica"),
        ("hours=1", "unknown_parameter", "/hours"),
    ],
)
async def test_bad_questions(api: ApiServer, app: dict[str, Any], query: str, code: str, pointer: str) -> None:
    answer = await api.client.get(f"/apps/{app['id']}/stats/history?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


async def test_no_such_app(api: ApiServer) -> None:
    for path in ("stats", "stats/history", "metrics"):
        assert (await api.client.get(f"/apps/nobodys/{path}")).status_code == 404


async def test_what_no_message_holds_is_said_in_several_and_a_lost_one_says_nothing(
    api: ApiServer, world: World, live: dict[str, Any], project: dict[str, Any]
) -> None:
    body = {"name": "last", "slug": ids.new("s")[-12:].join("ab"), "image": "nginx:alpine"}
    last = (await api.client.post(f"/projects/{project['id']}/apps", json=body)).json()["id"]
    early = [f"app_{number:032x}" for number in range(4_000)]

    def seen(number: int, memory: float) -> Observation:
        samples = tuple(
            ReplicaSample(
                app_id=app_id,
                release=1,
                replica=f"dk-{live['slug']}-web-r1.0-0" if app_id == live["id"] else f"dk-{app_id}",
                container_id="f" * 64,
                state=ReplicaState.RUNNING,
                cpu_usage=1.0,
                memory_usage=memory,
                network_rx_bytes=2**40,
                network_tx_bytes=2**40,
            )
            for app_id in (last, live["id"], *early)
        )
        at = f"2026-01-01T00:00:00.{number:03}Z"
        return Observation(at=at, engine_id="e", engine_ok=True, interval_seconds=30, samples=samples, source="three", number=number)

    async def memory(app_id: str) -> float:
        found: float = (await api.client.get(f"/apps/{app_id}")).json()["memory_usage"]
        return found

    async def shows(expected: float) -> None:
        await eventually(lambda: _is(memory(last), expected), what=f"{expected} MB")

    with pytest.raises(BusAway, match="payload"):
        await world.metrics.broadcast(subjects.OBSERVATION, seen(1, 10.0))
    for part in parts(seen(1, 10.0)):
        await world.metrics.broadcast(subjects.OBSERVATION, part)
    await shows(10.0)
    assert await memory(live["id"]) == 10.0
    # Of the next one nobody hears what it says of the app.
    *others, both = parts(seen(2, 20.0))
    assert {live["id"], last} <= {sample.app_id for sample in both.samples}
    alone = tuple(sample for sample in both.samples if sample.app_id == last)
    after = msgspec.structs.replace(both, after=live["id"], samples=alone)
    for part in (*others, after):
        await world.metrics.broadcast(subjects.OBSERVATION, part)
    await shows(20.0)
    shown = (await api.client.get(f"/apps/{live['id']}")).json()
    assert (shown["memory_usage"], shown["status_synced_at"]) == (10.0, "2026-01-01T00:00:00.001Z")
    # What tells of an app, and names no container of it, says that it has none.
    await world.metrics.broadcast(subjects.OBSERVATION, msgspec.structs.replace(seen(3, 30.0), after=early[-1], samples=alone))
    await eventually(lambda: _is(memory(live["id"]), 0.0), what="an app without a container")


async def _is(asked: Awaitable[float], expected: float) -> bool:
    return await asked == expected


async def test_an_observation_that_was_overtaken_is_left_out(api: ApiServer, app: dict[str, Any], bus_server: NatsServer) -> None:
    """The number decides, whatever the clock says; another process of the service begins anew."""
    bus = await Bus.connect(bus_server.url, "metrics")

    async def say(source: str, number: int, memory: float) -> None:
        sample = ReplicaSample(
            app_id=app["id"],
            release=1,
            replica="dk-x",
            container_id="c",
            state=ReplicaState.RUNNING,
            cpu_usage=1.0,
            memory_usage=memory,
        )
        at = f"2026-01-01T00:00:{59 - number}.000Z"
        seen = Observation(at=at, engine_id="e", engine_ok=True, interval_seconds=30, samples=(sample,), source=source, number=number)
        await bus.broadcast(subjects.OBSERVATION, seen)

    async def shows(memory: float) -> None:
        async def ask() -> bool:
            return bool((await api.client.get(f"/apps/{app['id']}")).json()["memory_usage"] == memory)

        await eventually(ask, what=f"{memory} MB")

    await say("one", 5, 50.0)
    await shows(50.0)
    await say("one", 4, 40.0)
    await say("one", 6, 60.0)
    await shows(60.0)
    await say("one", 5, 50.0)
    await say("two", 1, 10.0)
    await shows(10.0)
    await bus.close()
