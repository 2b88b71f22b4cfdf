"""Stats and their bad days as the API answers them; what is right in them is for the tests that have an engine."""

from typing import Any

import pytest

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.messages.metrics import Observation, ReplicaSample
from libs.common.states import ReplicaState
from tests.servers.api import ApiServer
from tests.servers.nats import NatsServer
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["stats", "stats/history"])
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
    for path in ("stats", "stats/history"):
        assert (await api.client.get(f"/apps/nobodys/{path}")).status_code == 404


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

        await eventually(ask, 10, what=f"{memory} MB")

    await say("one", 5, 50.0)
    await shows(50.0)
    await say("one", 4, 40.0)
    await say("one", 6, 60.0)
    await shows(60.0)
    await say("one", 5, 50.0)
    await say("two", 1, 10.0)
    await shows(10.0)
    await bus.close()
