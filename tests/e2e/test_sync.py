"""What is running is what you see: status, usage and history within a sync of what happens on the engine."""

import asyncio
import json
from typing import Any

import httpx

from tests import images
from tests.e2e.conftest import Desk
from tests.stack import Stack, eventually

SYNCED = 10.0
"""Five syncs of this stack, for a machine that does other things too."""


async def test_pause_kill_load_and_stop_are_seen(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    slug = app["slug"]
    engine = stack.leftovers().client
    (container,) = stack.leftovers().containers(app["id"])

    async def sees(what: str, **wanted: Any) -> dict[str, Any]:
        async def ask() -> dict[str, Any] | None:
            seen = await desk.get(slug)
            return seen if all(seen[name] == value for name, value in wanted.items()) and not seen["stale"] else None

        found = await eventually(ask, SYNCED, what=what)
        assert found
        return found

    await sees("running", status="running", status_reason=None, current_replicas=1)
    engine.pause(container["Id"])
    paused = await sees("paused", status="paused", current_replicas=0)
    assert paused["status_detail"]
    engine.unpause(container["Id"])
    await sees("running again", status="running", current_replicas=1)
    engine.kill(container["Id"])
    assert (await desk.event(slug, "replica.died"))["data"]["exit_code"] == 137
    await sees("healed after a kill", status="running", current_replicas=1)
    (container,) = stack.leftovers().containers(app["id"])
    engine.stop(container["Id"], timeout=1)
    await sees("healed after a stop", status="running", current_replicas=1)
    stopped = await desk.call("POST", f"/apps/{slug}/stop", params={"wait": 60})
    assert (stopped["status"], stopped["status_reason"]) == ("stopped", "stopped_by_user")
    await sees("nothing in use", status="stopped", cpu_usage=0.0, memory_usage=0.0)


async def test_load_is_seen_in_app_stats_and_history(desk: Desk) -> None:
    app = await desk.live(images.shell(), command=["-c", "/web serve & while :; do :; done"], memory_limit=64)
    slug = app["slug"]

    async def loud() -> bool:
        seen = await desk.get(slug)
        return (seen["cpu_usage"] or 0) > 20 and (seen["memory_usage"] or 0) > 0

    await eventually(loud, SYNCED, what="the load")

    async def now() -> dict[str, Any] | None:
        stats = await desk.call("GET", f"/apps/{slug}/stats")
        return stats if (stats["cpu_usage"] or 0) > 20 else None

    stats = await eventually(now, what="the load in stats")
    assert stats
    (replica,) = stats["replicas"]
    assert (replica["state"], stats["memory_limit"], replica["container_id"][:3].isalnum()) == ("running", 64, True)
    assert {name: stats[name] for name in stats if name in replica or name == "app_id"} | {"x": 0} == {
        **{name: replica[name] for name in stats if name in replica},
        "app_id": app["id"],
        "x": 0,
    }, "the sums of one replica are its own figures"
    assert stats["network_rx_bytes"] >= 0
    assert stats["pids"] >= 1

    async def kept() -> dict[str, Any] | None:
        page = await desk.call("GET", f"/apps/{slug}/stats/history", params={"minutes": 5, "replica": replica["replica"]})
        return page if any((point["cpu_usage_max"] or 0) > 20 for point in page["points"]) else None

    page = await eventually(kept, what="the load in the history")
    assert page
    assert page["interval_seconds"] == 30
    assert len(page["points"]) <= 10
    day = await desk.call("GET", f"/apps/{slug}/stats/history", params={"minutes": 1440})
    assert day["interval_seconds"] == 300
    assert 1 <= len(day["points"]) <= 2


async def test_a_death_is_in_the_stream_before_the_tick(desk: Desk, stack: Stack) -> None:
    """Over SSE, by the runtime's word: the sync is not waited for."""
    app = await desk.live()
    (container,) = stack.leftovers().containers(app["id"])
    after = (await desk.events(app["slug"]))[-1]["seq"]
    headers = {"Accept": "text/event-stream"}
    async with desk.api.stream("GET", f"/apps/{app['slug']}/events", params={"after": after}, headers=headers, timeout=30) as stream:
        await asyncio.to_thread(stack.leftovers().client.kill, container["Id"])
        died = await _first(stream, "replica.died")
    assert died["data"]["container_id"] == container["Id"]
    assert died["data"]["exit_code"] == 137


async def _first(stream: httpx.Response, kind: str) -> dict[str, Any]:
    async for line in stream.aiter_lines():
        if line.startswith("data: "):
            event: dict[str, Any] = json.loads(line.removeprefix("data: "))
            if event["type"] == kind:
                return event
    raise AssertionError(f"the stream ended without {kind}")


async def test_metrics_away_is_said_and_gets_over(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    pid = stack.kill("metrics")
    answer = await desk.api.get(f"/apps/{app['slug']}/stats")
    assert answer.status_code in {200, 503}
    assert answer.is_success or answer.json()["code"] == "stats_unavailable"
    stack.wait_for_another("metrics", pid)

    async def back() -> bool:
        return (await desk.api.get(f"/apps/{app['slug']}/stats")).is_success

    await eventually(back, what="the stats")
