"""What the server says of itself, with parts there and away, and an app's logs through the bus."""

import contextlib
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import msgspec

from libs.common.bus import Bus
from libs.common.messages.runtime import LogLine, LogsAnswer, LogsQuery
from libs.common.service import answer_pings
from services.api.settings import Settings
from tests.integration.edge.conftest import Api, changed, running, until
from tests.servers.nats import NatsServer
from tests.servers.redis import RedisServer

STATUS = "/api/v1/system/status"
NAMES = {"api", "bus", "database", "cache", "engine", "builder", "runtime", "metrics", "router"}


async def status(api: Api) -> dict[str, Any]:
    answer = await api.as_nobody.get(STATUS)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    assert (body["name"], body["base_domain"], body["url"]) == ("dockup", "localhost", "https://localhost")
    assert body["components"].keys() == NAMES
    for component in body["components"].values():
        assert component.keys() >= {"status", "instances", "latency_ms"}
    return body


@contextlib.asynccontextmanager
async def service(url: str, name: str, said: tuple[str, str] = ("ok", "")) -> AsyncIterator[Bus]:
    """A service as the bus knows it: it answers pings with `said`."""
    bus = await Bus.connect(url, name)

    async def check() -> tuple[str, str]:
        return said

    await answer_pings(bus, check)
    try:
        yield bus
    finally:
        await bus.close()


async def test_with_everything_away_it_answers_and_says_so(api: Api) -> None:
    began = monotonic()
    body = await status(api)
    assert monotonic() - began < 5
    assert body["status"] == "degraded"
    states = {name: component["status"] for name, component in body["components"].items()}
    assert states == {**dict.fromkeys(NAMES, "away"), "api": "ok", "database": "ok"}
    assert all(component["detail"] for component in body["components"].values() if component["status"] == "away")


async def test_with_everything_there(settings: Settings, nats_server: NatsServer, redis: RedisServer) -> None:
    here = changed(settings, nats_url=nats_server.url, nats_setup_url=nats_server.url, redis_url=redis.url)
    async with contextlib.AsyncExitStack() as stack:
        for name in ("builder", "builder", "runtime", "metrics", "router"):
            await stack.enter_async_context(service(nats_server.url, name))
        await stack.enter_async_context(service(nats_server.url, "runtime", ("standby", "")))
        api = await stack.enter_async_context(running(here))

        async def is_ok() -> bool:
            return bool((await status(api))["status"] == "ok")

        await until(is_ok)
        components = (await status(api))["components"]
        assert {name: components[name]["instances"] for name in ("builder", "runtime", "metrics", "router", "api")} == {
            "builder": 2,
            "runtime": 2,
            "metrics": 1,
            "router": 1,
            "api": 1,
        }
        redis.kill()

        async def is_degraded() -> bool:
            return bool((await status(api))["components"]["cache"]["status"] == "away")

        await until(is_degraded)


async def test_a_service_in_trouble_says_why(settings: Settings, nats_server: NatsServer) -> None:
    here = changed(settings, nats_url=nats_server.url, nats_setup_url=nats_server.url)
    async with service(nats_server.url, "router", ("degraded", "DOCKUP_HTTPS_PORT: 443 is taken")), running(here) as api:

        async def says() -> bool:
            router = (await status(api))["components"]["router"]
            return bool(router["status"] == "degraded" and router["detail"] == "DOCKUP_HTTPS_PORT: 443 is taken")

        await until(says)


async def _app(api: Api) -> str:
    project = (await api.as_admin.post("/api/v1/projects", json={"name": "Tests"})).json()
    made = await api.as_admin.post(f"/api/v1/projects/{project['id']}/apps", json={"name": "demo", "slug": "demo", "image": "a:1"})
    return str(made.raise_for_status().json()["id"])


async def test_logs_come_from_the_runtime(settings: Settings, nats_server: NatsServer) -> None:
    here = changed(settings, nats_url=nats_server.url, nats_setup_url=nats_server.url)
    asked: list[LogsQuery] = []
    lines = (LogLine(at="2026-01-01T00:00:00Z", stream="stdout", replica="r1", message="one"),)

    async def logs(body: bytes) -> LogsAnswer:
        asked.append(msgspec.json.decode(body, type=LogsQuery))
        return LogsAnswer(items=lines, truncated=True)

    async with service(nats_server.url, "runtime") as runtime, running(here) as api:
        await runtime.serve("logs", logs)
        app_id = await _app(api)

        async def is_there() -> bool:
            return (await api.as_admin.get("/api/v1/apps/demo/logs")).status_code == 200

        await until(is_there)
        query: dict[str, str | int] = {
            "tail": 5,
            "since": "2026-01-01T00:00:00Z",
            "stream": "stderr",
            "replica": "r1",
            "process": "worker",
        }
        answer = await api.as_admin.get(f"/api/v1/apps/{app_id}/logs", params=query)
        assert answer.json() == {"items": [msgspec.to_builtins(lines[0])], "truncated": True}
        assert msgspec.to_builtins(asked[-1]) == {**query, "app_id": app_id, "process": "worker", "deployment_id": None, "deployments": ()}
        unknown = await api.as_admin.get(f"/api/v1/apps/{app_id}/logs", params={"deployment_id": "dep_x"})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        text = await api.as_admin.get("/api/v1/apps/demo/logs", headers={"Accept": "text/plain"})
        assert (text.headers["content-type"], text.text) == ("text/plain; charset=utf-8", "one\n")
        for wrong in ({"tail": 0}, {"tail": 10_001}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"stream": "all"}):
            refused = await api.as_admin.get("/api/v1/apps/demo/logs", params=wrong)
            assert (refused.status_code, refused.json()["code"]) == (400, "validation_failed"), wrong
        _, ada = await api.member()
        assert (await ada.get("/api/v1/apps/demo/logs")).status_code == 404


async def test_without_a_runtime_the_logs_say_when_to_come_back(api: Api) -> None:
    await _app(api)
    answer = await api.as_admin.get("/api/v1/apps/demo/logs")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "runtime_unavailable", True)
    assert answer.headers["retry-after"] == "2"
