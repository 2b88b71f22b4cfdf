"""Load decides: more replicas under load, fewer when it is calm, none when nobody asks anything, and each step says why."""

from typing import Any

from tests.e2e.conftest import Desk, Json
from tests.load.traffic import Traffic
from tests.stack import Stack, eventually

WAIT = 30.0
POLICY = {
    "enabled": True,
    "min_replicas": 1,
    "max_replicas": 3,
    "target_requests_per_second": 30,
    "scale_up_cooldown_seconds": 1,
    "scale_down_cooldown_seconds": 3,
}


async def test_load_to_three_calm_to_one_idle_to_none_and_a_request_wakes(desk: Desk, stack: Stack) -> None:
    app = await desk.live(drain_seconds=1)
    slug = app["slug"]

    async def has(**wanted: Any) -> None:
        async def ask() -> bool:
            seen = await desk.get(slug)
            return all(seen[name] == value for name, value in wanted.items())

        await eventually(ask, WAIT, what=f"{wanted}")

    await desk.call("PUT", f"/apps/{slug}/autoscale", json=POLICY)
    async with Traffic(stack.host(slug), stack.https_port, stack.trust(), slug) as traffic:
        await has(current_replicas=3, replicas=1)
        stats = await desk.call("GET", f"/apps/{slug}/stats")
        exposed = (await desk.api.get(f"/apps/{slug}/metrics")).text
    assert traffic.failed == [], "nobody noticed"
    assert stats["requests_per_second"] > 30
    assert 0 < stats["response_time_p50"] <= stats["response_time_p99"]
    assert stats["response_time_p99"] >= 250, "some of the requests take 300 ms"
    assert stats["status_2xx"] > 30
    assert f'dockup_app_requests_total{{app="{app["id"]}",class="2xx"}}' in exposed
    await has(current_replicas=1, replicas=1, status="running")
    assert len(stack.leftovers().containers(app["id"])) == 1

    await desk.call("PUT", f"/apps/{slug}/autoscale", json={"min_replicas": 0, "idle_timeout_seconds": 1})
    await has(status="stopped", status_reason="sleeping", current_replicas=0)
    assert (await desk.look(slug)).status_code == 200
    await has(current_replicas=1, replicas=1)

    def of(kind: str, events: list[Json]) -> list[Json]:
        return [event["data"] for event in events if event["type"] == kind]

    async def told() -> list[Json] | None:
        events = await desk.events(slug)
        return events if of("app.woke", events) else None

    events = await eventually(told, what="the wake")
    decided = of("autoscale.decided", events or [])
    numbers = [each["to"] for each in decided]
    assert max(numbers) == numbers[numbers.index(3)] == 3
    assert numbers[-1] == 0, numbers
    assert numbers[:-1] == sorted(numbers[: numbers.index(3) + 1]) + sorted(numbers[numbers.index(3) + 1 : -1], reverse=True), "no flapping"
    up = decided[numbers.index(3)]
    assert up["passed"] == "target_requests_per_second"
    assert up["figures"]["requests_per_second"] > 30
    assert decided[-1]["passed"] == "idle_timeout_seconds"
    assert [each["to"] for each in of("app.scaled", events or [])] == numbers
    view = await desk.call("GET", f"/apps/{slug}/autoscale")
    assert (view["decided"]["replicas"], view["decided"]["by"]) in {(1, "router"), (0, "metrics")}, "it may sleep again by now"
