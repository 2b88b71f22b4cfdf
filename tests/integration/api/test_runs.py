"""Runs as the API keeps them: asked for once, told to the runtime in the app's wish, over when the runtime says so."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from libs.common import clock, ids
from libs.common.errors import failure
from libs.common.messages.api import Desired
from libs.common.messages.runtime import RunEnded, RunStarted
from libs.common.states import RunStatus
from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.recovery import service as recovery
from tests.servers.api import ApiServer, World
from tests.stack import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
LARGE = {"command": ["x" * 8_000] * 3}


async def post(api: ApiServer, app: Json, **given: Any) -> Json:
    answer = await api.client.post(f"/apps/{app['id']}/runs", **given)
    assert answer.status_code == 202, answer.text
    made: Json = answer.json()
    assert answer.headers["location"] == f"/api/v1/apps/{app['id']}/runs/{made['id']}"
    return made


async def started(world: World, run: Json) -> None:
    event = RunStarted(event_id=f"{run['id']}.started", at=clock.now(), app_id=run["app_id"], run_id=run["id"], release=1, container_id="c")
    await world.runtime.say(event, run["app_id"])


async def ended(world: World, run: Json, status: RunStatus, **more: Any) -> None:
    event = RunEnded(event_id=f"{run['id']}.ended", at=clock.now(), app_id=run["app_id"], run_id=run["id"], status=status, **more)
    await world.runtime.say(event, run["app_id"])


def has(run: Json, **fields: Any) -> Any:
    """The wish has the run, with these."""

    def look(desired: Desired) -> bool:
        return any(one.id == run["id"] and all(getattr(one, name) == value for name, value in fields.items()) for one in desired.runs)

    return look


async def get(api: ApiServer, run: Json) -> Json:
    found: Json = (await api.client.get(f"/apps/{run['app_id']}/runs/{run['id']}")).json()
    return found


async def test_a_run_from_the_request_to_its_end(api: ApiServer, world: World, live: Json) -> None:
    key = {"Idempotency-Key": ids.new("k")}
    run = await post(api, live, json={"command": "sh -c 'echo $HOME'", "timeout_seconds": 60}, headers=key)
    assert (run["status"], run["command"], run["trigger"], run["exit_code"]) == ("queued", ["sh", "-c", "echo $HOME"], "api", None)
    again = await api.client.post(
        f"/apps/{live['id']}/runs", json={"command": "sh -c 'echo $HOME'", "timeout_seconds": 60}, headers=key, params={"wait": 1}
    )
    assert (again.json()["id"], again.headers["idempotent-replay"], again.status_code) == (run["id"], "true", 202)
    told = await world.desired_where(live["id"], has(run, started=False))
    assert [(one.command, one.timeout_seconds) for one in told.runs] == [(("sh", "-c", "echo $HOME"), 60)]
    await started(world, run)
    await world.desired_where(live["id"], has(run, started=True))
    assert (await get(api, run))["status"] == "running"
    waiting = asyncio.create_task(api.client.post(f"/apps/{live['id']}/runs/{run['id']}/cancel", params={"wait": 20}))
    await world.desired_where(live["id"], has(run, cancelled=True))
    why = failure("run", "command_failed", "It exited with code 3.", evidence=("no",), data={"exit_code": 3})
    await ended(world, run, RunStatus.FAILED, exit_code=3, failure=why)
    over = await waiting
    assert (over.status_code, over.json()["status"], over.json()["exit_code"], over.json()["release"]) == (200, "failed", 3, 1)
    assert over.json()["failure"]["code"] == "command_failed"
    await world.desired_where(live["id"], lambda desired: not desired.runs)
    await ended(world, run, RunStatus.SUCCEEDED, exit_code=0)
    refused = await api.client.post(f"/apps/{live['id']}/runs/{run['id']}/cancel")
    assert (refused.status_code, refused.json()["code"], refused.json()["run"]["status"]) == (409, "run_ended", "failed")
    items = (await api.client.get(f"/apps/{live['slug']}/runs", params={"limit": 1})).json()["items"]
    assert items == [await get(api, run)]
    kinds = [each["type"] for each in (await api.client.get(f"/apps/{live['id']}/events?limit=200&after=0")).json()["items"]]
    assert [kind for kind in kinds if kind.startswith("run.")] == ["run.queued", "run.started", "run.failed"]
    default = await post(api, live, json={"command": "ls"})
    assert [type(one["timeout_seconds"]) for one in (run, default, items[0], await get(api, default))] == [int] * 4


async def test_what_is_refused(api: ApiServer, live: Json) -> None:
    async def code(target: Json, body: Json) -> tuple[int, str]:
        answer = await api.client.post(f"/apps/{target['id']}/runs", json=body)
        return answer.status_code, answer.json()["code"]

    fresh = await api.client.post(f"/projects/{live['project_id']}/apps", json={"name": "n", "slug": ids.new("n").replace("_", "-")})
    assert await code(fresh.json(), {"command": "ls"}) == (409, "nothing_to_run")
    for body in (
        {"command": "ls", "timeout_seconds": 1.5},
        {},
        {"command": []},
        {"command": "a 'b"},
        {"command": "ls", "timeout_seconds": 0},
        {"command": None},
        LARGE,
    ):
        assert await code(live, body) == (400, "validation_failed"), body
    assert await code(live, {"command": "ls", "when": 1}) == (400, "unknown_field")
    assert await code({"id": "app_none"}, {"command": "ls"}) == (404, "not_found")
    assert (await api.client.get(f"/apps/{live['id']}/runs/run_none")).status_code == 404
    assert (await api.client.get(f"/apps/{live['id']}/runs?cursor=x")).json()["code"] == "invalid_cursor"
    assert (await api.client.get(f"/apps/{live['id']}/runs/run_none/logs?tail=0")).status_code == 400
    made = [await post(api, live, json={"command": "ls"}) for _ in range(10)]
    assert await code(live, {"command": "ls"}) == (409, "quota_exceeded")
    logs = await api.client.get(f"/apps/{live['id']}/runs/{made[0]['id']}/logs")
    assert (logs.status_code, logs.json()["code"]) == (503, "runtime_unavailable")


async def test_the_end_of_the_app_and_a_recovery_end_its_runs(api: ApiServer, world: World, live: Json) -> None:
    lost = await post(api, live, json={"command": "ls"})
    await world.desired_where(live["id"], has(lost))
    async with api.core.db.begin() as tx:
        await recovery.lose_runs(tx, [await _row(tx, live)])
    found = await get(api, lost)
    assert (found["status"], found["failure"]["code"]) == ("failed", "run_lost")
    await world.desired_where(live["id"], lambda desired: not desired.runs)
    kept = await post(api, live, json={"command": "ls"})
    await api.client.delete(f"/apps/{live['id']}")
    gone = await world.desired_where(live["id"], lambda desired: desired.intent == "deleted")
    assert gone.runs == ()
    await eventually(lambda: _has_status(api, kept, "cancelled"), what="the run cancelled")
    refused = await api.client.post(f"/apps/{live['id']}/runs", json={"command": "ls"})
    assert refused.json()["code"] == "app_deleting"


async def _has_status(api: ApiServer, run: Json, status: str) -> bool:
    return bool((await get(api, run))["status"] == status)


async def _row(tx: Tx, app: Json) -> AppRow:
    return (await tx.session.execute(select(AppRow).where(AppRow.id == app["id"]))).scalar_one()
