"""Jobs: what is due is begun once, whoever looks; what was missed once, too; and not beside itself."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import update

from libs.common import clock
from libs.common.messages.runtime import RunEnded
from libs.common.states import RunStatus
from services.api.jobs.models import JobRow
from services.api.jobs.ticking import realign, tick
from tests.servers.api import ApiServer, World
from tests.stack import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
SELDOM = "0 0 1 1 *"


async def make(api: ApiServer, app: Json, **fields: Any) -> Json:
    body = {"name": "report", "schedule": SELDOM, "command": "report --all", **fields}
    answer = await api.client.post(f"/apps/{app['id']}/jobs", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert answer.headers["location"] == made["links"]["self"]
    return made


async def get(api: ApiServer, job: Json) -> Json:
    found: Json = (await api.client.get(f"/apps/{job['app_id']}/jobs/{job['id']}")).json()
    return found


async def runs(api: ApiServer, job: Json) -> list[Json]:
    found: list[Json] = (await api.client.get(f"/apps/{job['app_id']}/runs", params={"job_id": job["id"]})).json()["items"]
    return found


async def due(api: ApiServer, job: Json, at: float) -> None:
    async with api.core.db.begin() as tx:
        await tx.connection.execute(update(JobRow).where(JobRow.id == job["id"]).values(next_at=at))


async def test_a_missed_hour_runs_once_and_not_beside_itself(api: ApiServer, world: World, live: Json) -> None:
    job = await make(api, live, schedule="* * * * *", time_zone="Europe/Berlin")
    await due(api, job, time.time() - 3_600)
    await asyncio.gather(*(tick(api.core) for _ in range(4)))  # as many API processes would
    [first] = await runs(api, job)
    assert (first["trigger"], first["command"], first["status"]) == ("job", ["report", "--all"], "queued")
    after = await get(api, job)
    assert time.time() < clock.parse(after["next_at"]).timestamp() <= time.time() + 60
    assert after["last_run"]["id"] == first["id"]
    assert [run.id for run in (await world.desired_where(live["id"], lambda it: it.runs)).runs] == [first["id"]]
    await due(api, job, time.time() - 1)
    await tick(api.core)
    skipped = await get(api, job)
    assert (skipped["skipped"], len(await runs(api, job))) == (1, 1)
    await api.client.put(f"/apps/{live['id']}/jobs/{job['id']}", json={"allow_overlap": True})
    await due(api, job, time.time() - 1)
    await tick(api.core)
    assert len(await runs(api, job)) == 2
    end = RunEnded(
        event_id=f"{first['id']}.ended", at=clock.now(), app_id=live["id"], run_id=first["id"], status=RunStatus.SUCCEEDED, exit_code=0
    )
    await world.runtime.say(end, live["id"])
    await world.desired_where(live["id"], lambda it: len(it.runs) == 1)

    async def types() -> list[str] | None:
        items = (await api.client.get(f"/apps/{live['id']}/events?limit=200&after=0")).json()["items"]
        found = [event["type"] for event in items if event["type"].startswith("job.")]
        return found if len(found) == 3 else None

    assert await eventually(types, what="the events") == ["job.created", "job.skipped", "job.updated"]
    assert (await api.client.delete(f"/apps/{live['id']}/jobs/{job['id']}")).status_code == 204
    assert len(await runs(api, job)) == 2


async def test_a_clock_that_went_back_delays_nothing(api: ApiServer, app: Json) -> None:
    job = await make(api, app, schedule="* * * * *")
    await due(api, job, time.time() + 1_000_000)
    await realign(api.core)
    assert clock.parse((await get(api, job))["next_at"]).timestamp() <= time.time() + 60


async def test_without_a_release_it_is_skipped_and_switched_off_it_is_not_due(api: ApiServer, app: Json) -> None:
    job = await make(api, app)
    await due(api, job, time.time() - 1)
    await tick(api.core)
    assert ((await get(api, job))["skipped"], await runs(api, job)) == (1, [])
    path = f"/apps/{app['id']}/jobs/{job['id']}"
    assert (await api.client.put(path, json={"enabled": False})).json()["next_at"] is None
    again = await api.client.put(path, json={**await get(api, job), "enabled": True, "command": ["other"]})
    assert (again.status_code, again.json()["command"]) == (200, ["other"])
    assert again.json()["next_at"] is not None
    assert (await api.client.get(f"/apps/{app['id']}/jobs")).json()["items"] == [again.json()]


async def test_what_is_refused(api: ApiServer, app: Json) -> None:
    job = await make(api, app, name="one")
    path = f"/apps/{app['id']}/jobs"

    async def code(method: str, where: str, body: Json) -> tuple[int, str]:
        answer = await api.client.request(method, where, json=body)
        return answer.status_code, answer.json()["code"]

    good = {"name": "two", "schedule": SELDOM, "command": "ls"}
    for wrong in ({"schedule": "every day"}, {"schedule": "0 0 30 2 *"}, {"time_zone": "Mars"}, {"command": []}, {"timeout_seconds": 0}):
        assert await code("POST", path, {**good, **wrong}) == (400, "validation_failed"), wrong
    assert await code("POST", path, {**good, "cron": "x"}) == (400, "unknown_field")
    assert await code("POST", path, {**good, "name": "one"}) == (409, "conflict")
    two = await make(api, app, name="two")
    assert {type(one["timeout_seconds"]) for one in (two, (await api.client.get(f"{path}/{two['id']}")).json())} == {int}
    assert await code("PUT", f"{path}/{job['id']}", {"name": "two"}) == (409, "conflict")
    assert await code("PUT", f"{path}/{job['id']}", {"next_at": None}) == (400, "read_only_field")
    for method in ("PUT", "GET", "DELETE"):
        assert (await api.client.request(method, f"{path}/job_none", json={} if method == "PUT" else None)).status_code == 404


async def test_one_that_cannot_be_begun_makes_room_for_others(api: ApiServer, app: Json) -> None:
    """Its zone is none that this machine knows: it is tried again in a minute, not every second."""
    job = await make(api, app)
    async with api.core.db.begin() as tx:
        odd = update(JobRow).where(JobRow.id == job["id"]).values(next_at=time.time() - 1, time_zone="Nowhere/At_All")
        await tx.connection.execute(odd)
    await tick(api.core)
    async with api.core.db.read() as session:
        row = await session.get_one(JobRow, job["id"])
    assert time.time() + 30 < row.next_at < time.time() + 90
    assert not await runs(api, job)
