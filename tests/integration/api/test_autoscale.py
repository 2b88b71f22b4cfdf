"""The policy of an app: merged, refused where it makes no sense or cannot be held, and told to the runtime."""

from typing import Any

import httpx
import pytest

from libs.common import ids
from libs.common.clock import parse
from services.api.apps.grammar import MOST_REPLICAS, machine
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CORES, MEGABYTES = machine()
CPU = {"enabled": True, "min_replicas": 1, "max_replicas": 3, "target_cpu_percent": 70}


async def _put(api: ApiServer, app: dict[str, Any], body: Any) -> httpx.Response:
    return await api.client.put(f"/apps/{app['id']}/autoscale", json=body)


async def test_it_is_off_until_somebody_wants_it(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    view = (await api.client.get(app["links"]["autoscale"].removeprefix("/api/v1"))).json()
    assert view == {
        "enabled": False,
        "min_replicas": 1,
        "max_replicas": 1,
        "target_cpu_percent": None,
        "target_memory_percent": None,
        "target_requests_per_second": None,
        "scale_up_cooldown_seconds": 30,
        "scale_down_cooldown_seconds": 300,
        "idle_timeout_seconds": None,
        "replicas": 1,
        "current_replicas": 0,
        "held_until": None,
        "decided": None,
    }
    assert (await world.desired_where(app["id"], lambda _: True)).autoscale is None


async def test_put_merges_null_clears_and_the_runtime_is_told(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    first = await _put(api, app, {**CPU, "target_requests_per_second": 50})
    assert first.status_code == 200, first.text
    told = (await world.desired_where(app["id"], lambda it: it.autoscale is not None)).autoscale
    assert told is not None
    assert (told.min_replicas, told.max_replicas, told.target_cpu_percent, told.target_requests_per_second) == (1, 3, 70, 50)
    assert told.since is not None
    second = (await _put(api, app, {"target_requests_per_second": None, "scale_up_cooldown_seconds": 5})).json()
    assert (second["target_cpu_percent"], second["target_requests_per_second"], second["scale_up_cooldown_seconds"]) == (70, None, 5)
    assert (await _put(api, app, second)).json() == second, "read, edit, write"
    changed = (await world.desired_where(app["id"], lambda it: it.autoscale and it.autoscale.scale_up_cooldown_seconds == 5)).autoscale
    assert changed is not None
    assert changed.since == told.since, "what load decided still counts"
    assert (await _put(api, app, {"enabled": False})).json()["target_cpu_percent"] == 70
    await world.desired_where(app["id"], lambda it: it.autoscale is None)
    page = (await api.client.get(f"/apps/{app['id']}/events?wait=5")).json()
    events = [event for event in page["items"] if event["type"] == "autoscale.updated"]
    assert [event["data"]["changed"][-1] for event in events][:1] == ["target_requests_per_second"]
    audit = (await api.client.get(f"/audit?target={app['id']}&action=autoscale.updated")).json()["items"]
    assert len(audit) == 3, "what changed nothing is no act"


async def test_who_saw_another_policy_changes_nothing(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    path = f"/apps/{app['id']}/autoscale"
    seen = (await api.client.get(path)).headers["etag"]
    first = await api.client.put(path, json=CPU, headers={"If-Match": seen})
    assert first.status_code == 200, first.text
    late = await api.client.put(path, json={"max_replicas": 2}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["code"], late.headers["etag"]) == (412, "precondition_failed", first.headers["etag"])
    assert first.headers["etag"] != seen
    await api.client.put(f"/apps/{app['id']}", json={"replicas": 2})
    again = await api.client.get(path)
    assert (again.headers["etag"], again.json()["max_replicas"]) == (first.headers["etag"], 3), "a number set by hand is no policy"
    assert (await api.client.put(path, json={"max_replicas": 2}, headers={"If-Match": again.headers["etag"]})).status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "pointers"),
    [
        ({"enabled": True}, "validation_failed", ["/enabled"]),
        ({**CPU, "min_replicas": 4}, "validation_failed", ["/min_replicas"]),
        ({"enabled": True, "min_replicas": 0}, "validation_failed", ["/idle_timeout_seconds"]),
        ({**CPU, "target_memory_percent": 80}, "validation_failed", ["/target_memory_percent"]),
        ({**CPU, "target_cpu_percent": 100 * CORES + 1}, "validation_failed", ["/target_cpu_percent"]),
        ({**CPU, "min_replicas": 0, "max_replicas": MOST_REPLICAS + 1}, "validation_failed", ["/max_replicas"]),
        ({**CPU, "max_replicas": 0}, "validation_failed", ["/max_replicas"]),
        ({**CPU, "min_replicas": None}, "validation_failed", ["/min_replicas"]),
        ({**CPU, "target_cpu_percent": 0}, "validation_failed", ["/target_cpu_percent"]),
        ({**CPU, "target_cpu_percent": "70"}, "validation_failed", ["/target_cpu_percent"]),
        ({**CPU, "target_requests_per_second": 0}, "validation_failed", ["/target_requests_per_second"]),
        ({**CPU, "scale_up_cooldown_seconds": -1}, "validation_failed", ["/scale_up_cooldown_seconds"]),
        ({**CPU, "idle_timeout_seconds": 0}, "validation_failed", ["/idle_timeout_seconds"]),
        ({**CPU, "target_gpu_percent": 70}, "unknown_field", ["/target_gpu_percent"]),
        ({**CPU, "replicas": 2}, "read_only_field", ["/replicas"]),
        ({**CPU, "held_until": "2026-01-01T00:00:00.000Z"}, "read_only_field", ["/held_until"]),
    ],
)
async def test_what_makes_no_sense_is_refused(api: ApiServer, app: dict[str, Any], body: Any, code: str, pointers: list[str]) -> None:
    answer = await _put(api, app, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert answer.json()["hint"]
    assert not (await api.client.get(f"/apps/{app['id']}/autoscale")).json()["enabled"]


async def test_a_memory_target_needs_its_limit_for_as_long_as_it_stands(api: ApiServer, app: dict[str, Any]) -> None:
    path = f"/apps/{app['id']}"
    await api.client.put(path, json={"memory_limit": 64})
    assert (await _put(api, app, {**CPU, "target_memory_percent": 80})).status_code == 200
    answer = await api.client.put(path, json={"memory_limit": None})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/memory_limit")
    await _put(api, app, {"target_memory_percent": None})
    assert (await api.client.put(path, json={"memory_limit": None})).status_code == 200


async def test_what_the_machine_cannot_hold_is_refused_beforehand(api: ApiServer, app: dict[str, Any]) -> None:
    path, each = f"/apps/{app['id']}", MEGABYTES // 2 - 16
    await api.client.put(path, json={"memory_limit": each})
    for answer in (await _put(api, app, CPU), await api.client.put(path, json={"replicas": 3})):
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "capacity_exceeded"), answer.text
        assert (problem["wanted"], problem["most_replicas"]) == (3 * each, 2)
        assert 0 < problem["free"] <= MEGABYTES
        assert "2 replicas" in problem["hint"]
    assert (await _put(api, app, {**CPU, "max_replicas": 2})).status_code == 200
    assert (await api.client.get(path)).json()["replicas"] == 1


async def test_what_the_project_may_not_have_is_refused_beforehand(api: ApiServer) -> None:
    project = (await api.client.post("/projects", json={"name": "Bounded"})).json()["id"]
    await api.client.put(f"/projects/{project}", json={"quotas": {"cpu": 0.5}})
    body = {"name": "q", "slug": ids.new("q").replace("_", "-"), "image": "nginx:alpine", "cpu_limit": 0.25}
    app = (await api.client.post(f"/projects/{project}/apps", json=body)).json()
    answer = await _put(api, app, CPU)
    assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
    assert (answer.json()["used"], answer.json()["allowed"], answer.json()["wanted"]) == (0.25, 0.5, 0.75)
    assert (await _put(api, app, {**CPU, "max_replicas": 2})).status_code == 200
    usage = (await api.client.get(f"/projects/{project}")).json()["usage"]
    assert usage["cpu"] == 0.5, "what load may decide on is set aside"


async def test_a_number_set_by_hand_holds_for_a_cooldown(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    path = f"/apps/{app['id']}"
    await _put(api, app, {**CPU, "scale_up_cooldown_seconds": 20, "scale_down_cooldown_seconds": 60})
    since = (await world.desired_where(app["id"], lambda it: it.autoscale is not None)).autoscale
    assert (await api.client.put(path, json={"replicas": 2})).status_code == 200
    view = (await api.client.get(f"{path}/autoscale")).json()
    held = (await world.desired_where(app["id"], lambda it: it.replicas == 2)).autoscale
    assert held is not None
    assert since is not None
    assert held.held_until == view["held_until"]
    assert (parse(str(held.held_until)) - parse(str(held.since))).total_seconds() == pytest.approx(60, abs=1)
    assert parse(str(held.since)) > parse(str(since.since)), "what load decided before is void"
    await api.client.put(path, json={"name": "another"})
    assert (await api.client.get(f"{path}/autoscale")).json()["held_until"] == view["held_until"]
    await _put(api, app, {"enabled": False})
    assert (await api.client.get(f"{path}/autoscale")).json()["held_until"] is None
