"""Volumes as the API keeps them: settings of an app, frozen in its releases, data that outlives both."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import select, update

from libs.common import clock
from libs.common.live.channel import Channel
from libs.common.messages.api import Mount
from libs.common.messages.archives import BYTES, END, Filling, Restored
from libs.common.messages.runtime import VolumePurged
from libs.common.messages.sessions import Ended
from libs.common.states import Intent
from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.volumes import service
from services.api.volumes.backups import MOST_BY_HAND
from services.api.volumes.models import VolumeRow
from services.api.volumes.restoring import begin, swap
from services.runtime.endings import Endings
from services.runtime.sessions import Kind, Refusal, Session, Sessions
from tests.servers.api import ApiServer, World
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
T = TypeVar("T")


Served = tuple[Sessions, dict[str, Kind]]


@pytest_asyncio.fixture(loop_scope="module")
async def runtime(world: World, tmp_path: Path) -> AsyncIterator[Served]:
    """The runtime's own sessions, with the kinds that a test puts in."""
    kinds: dict[str, Kind] = {}
    sessions = Sessions(world.runtime, kinds, Endings(world.runtime, str(tmp_path)))
    end = await world.runtime.serve("open", sessions.open)
    yield sessions, kinds
    await end()
    await sessions.close()


async def make(api: ApiServer, app: Json, name: str = "data", path: str = "/data", **more: Any) -> Json:
    answer = await api.client.post(f"/apps/{app['id']}/volumes", json={"name": name, "mount_path": path, **more})
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def refused(api: ApiServer, method: str, path: str, **given: Any) -> tuple[int, str]:
    answer = await api.client.request(method, path, **given)
    problem = answer.json()
    assert problem["hint"]
    return answer.status_code, problem["code"]


async def deployed(api: ApiServer, world: World, app: Json, path: str = "deploy") -> Json:
    made: Json = (await api.client.post(f"/apps/{app['id']}/{path}")).json()
    await world.command(app["id"])
    await world.bring_live(made)
    await world.desired_where(app["id"], lambda it: it.current is not None and it.current.deployment_id == made["id"])
    return made


async def purged(api: ApiServer, world: World, volume: Json) -> None:
    """The runtime destroyed it, and the API took notice."""
    event = VolumePurged(event_id=f"{volume['id']}.purged", at=clock.now(), app_id=volume["app_id"], volume=volume["id"])
    await world.runtime.say(event, volume["app_id"])
    async with asyncio.timeout(20):
        while any(one["id"] == volume["id"] for one in (await api.client.get("/projects/" + await _project(api, volume))).json()["items"]):
            await asyncio.sleep(0.02)


async def _project(api: ApiServer, volume: Json) -> str:
    return f"{volume['project']}/volumes"


async def test_a_volume_is_pending_until_it_is_deployed_and_frozen_then(api: ApiServer, world: World, live: Json) -> None:
    path = f"/apps/{live['id']}"
    volume = await make(api, live)
    assert volume["id"].startswith("vol_")
    assert (volume["state"], volume["in_use"], volume["size_bytes"], volume["shared"]) == ("attached", False, None, False)
    now = (await api.client.get(path)).json()
    assert (now["pending_changes"], now["pending_fields"]) == (True, ["volumes"])
    plan = (await api.client.post(f"{path}/deploy?dry_run=true")).json()
    assert plan["downtime"] == "none"  # nothing that runs has it

    await deployed(api, world, live)
    desired = await world.desired(live["id"])
    assert desired is not None
    assert desired.current is not None
    assert desired.current.volumes == (Mount(volume=volume["id"], name="data", path="/data"),)
    assert (await api.client.get(path)).json()["pending_fields"] == []
    (listed,) = (await api.client.get(f"{path}/volumes")).json()["items"]
    assert (listed["id"], listed["in_use"]) == (volume["id"], True)
    for method, route in (("POST", f"{path}/deploy"), ("POST", f"{path}/rollback")):
        plan = (await api.client.request(method, route, params={"dry_run": "true"})).json()
        assert plan["downtime"] == ("brief" if route.endswith("deploy") else "none")
    plan = (await api.client.post(f"{path}/deploy?dry_run=true")).json()
    assert "data has one writer" in plan["warnings"][0]


async def test_what_is_refused(api: ApiServer, app: Json) -> None:
    path = f"/apps/{app['id']}/volumes"
    one = await make(api, app)
    for body, expected in (
        ({"name": "/etc", "mount_path": "/data2"}, (400, "host_path_refused")),
        ({"name": "two", "mount_path": "/etc"}, (400, "mount_path_refused")),
        ({"name": "two", "mount_path": "/data/sub"}, (409, "mount_path_taken")),
        ({"name": "two", "mount_path": "/data"}, (409, "mount_path_taken")),
        ({"name": "data", "mount_path": "/other"}, (409, "volume_exists")),
        ({"name": "two", "mount_path": "/two", "host_path": "/etc"}, (400, "unknown_field")),
        ({"name": "two"}, (400, "validation_failed")),
        ({"name": "two", "mount_path": "/two", "adopt": "vol_0"}, (404, "not_found")),
    ):
        assert await refused(api, "POST", path, json=body) == expected
    two = await make(api, app, "two", "/two")
    for change, expected in (
        ({"mount_path": "/proc/1"}, (400, "mount_path_refused")),
        ({"mount_path": "/data"}, (409, "mount_path_taken")),
        ({"mount_path": "../etc"}, (400, "mount_path_refused")),
        ({"name": "/etc"}, (400, "read_only_field")),
        ({"source": "/etc"}, (400, "unknown_field")),
    ):
        assert await refused(api, "PUT", f"{path}/{two['id']}", json=change) == expected
    again = await api.client.put(f"{path}/{two['id']}", json={**two, "mount_path": "/three"})
    assert (again.status_code, again.json()["mount_path"]) == (200, "/three")
    assert (await api.client.get(f"{path}/{one['id']}")).json()["mount_path"] == "/data"
    assert await refused(api, "DELETE", path) == (400, "validation_failed")
    assert await refused(api, "DELETE", f"{path}?name=nope") == (404, "not_found")
    assert await refused(api, "GET", f"{path}/vol_0") == (404, "not_found")
    assert await refused(api, "GET", f"{path}?cursor=x") == (400, "invalid_cursor")


async def test_one_writer_and_many_replicas_exclude_each_other_in_either_order(api: ApiServer, app: Json) -> None:
    path = f"/apps/{app['id']}"
    volume = await make(api, app)
    assert await refused(api, "PUT", path, json={"replicas": 2}) == (409, "volume_one_writer")
    policy = {"enabled": True, "max_replicas": 2, "target_requests_per_second": 10}
    assert await refused(api, "PUT", f"{path}/autoscale", json=policy) == (409, "volume_one_writer")
    await api.client.put(f"{path}/volumes/{volume['id']}", json={"shared": True})
    assert (await api.client.put(path, json={"replicas": 2})).status_code == 200
    assert await refused(api, "PUT", f"{path}/volumes/{volume['id']}", json={"shared": False}) == (409, "volume_one_writer")
    body = {"name": "two", "mount_path": "/two"}
    assert await refused(api, "POST", f"{path}/volumes", json=body) == (409, "volume_one_writer")
    races = await asyncio.gather(
        *(api.client.put(path, json={"replicas": number}) for number in (1, 3, 1, 3)),
        *(api.client.put(f"{path}/volumes/{volume['id']}", json={"shared": shared}) for shared in (False, True, False, True)),
    )
    assert {answer.status_code for answer in races} <= {200, 409}
    shared = (await api.client.get(f"{path}/volumes/{volume['id']}")).json()["shared"]
    assert shared or (await api.client.get(path)).json()["replicas"] == 1


async def test_detached_data_is_kept_and_comes_back_by_its_name(api: ApiServer, world: World, live: Json) -> None:
    path = f"/apps/{live['id']}"
    volume = await make(api, live)
    first = await deployed(api, world, live)
    assert await refused(api, "DELETE", f"{path}/volumes?name=data&purge=true") == (409, "volume_in_use")
    plan = (await api.client.delete(f"{path}/volumes/{volume['id']}?dry_run=true")).json()
    assert [step["action"] for step in plan["plan"]] == ["detach_volume"]
    gone = await api.client.delete(f"{path}/volumes?name=data")
    assert (gone.status_code, gone.json()["state"], gone.json()["in_use"]) == (200, "detached", True)
    assert (await api.client.get(path)).json()["pending_fields"] == ["volumes"]
    assert await refused(api, "DELETE", f"{path}/volumes/{volume['id']}?purge=true") == (409, "volume_in_use")
    back = await make(api, live, path="/elsewhere")
    assert back["id"] == volume["id"]
    await api.client.delete(f"{path}/volumes/{volume['id']}")
    await deployed(api, world, live)

    # A rollback mounts what that release had, where it had it.
    await api.client.post(f"{path}/rollback", json={"deployment_id": first["id"]})
    (now,) = (await api.client.get(f"{path}/volumes")).json()["items"]
    assert (now["state"], now["mount_path"]) == ("attached", "/data")


async def test_a_restore_reaches_what_a_deploy_of_a_stopped_app_has_begun_with(api: ApiServer, world: World, live: Json) -> None:
    path = f"/apps/{live['id']}"
    volume = await make(api, live)
    await deployed(api, world, live)
    assert (await api.client.post(f"{path}/stop")).status_code in {200, 202}
    assert (await api.client.post(f"{path}/deploy")).status_code == 202
    before = await world.desired_where(live["id"], lambda it: it.intent == Intent.STOPPED)
    async with api.core.db.begin() as tx:
        row = (await tx.session.execute(select(AppRow).where(AppRow.id == live["id"]).with_for_update())).scalar_one()
        kept = await service.get(tx.session, row, volume["id"])
        assert begin(row, kept) == Filling(copy=2, current=1)
        assert await swap(tx, row, kept, 2, Restored(files=1, size_bytes=1)) is None  # nothing of it runs that is waited for
    wish = await world.desired_where(live["id"], lambda it: it.copies == {volume["id"]: 2})
    assert wish.restart == before.restart + 1


async def test_of_two_restores_the_one_that_began_last_counts(api: ApiServer, world: World, live: Json) -> None:
    """The second may begin before the first has taken its place: it fills another copy, and the first is told."""
    volume = await make(api, live)
    what = Restored(files=1, size_bytes=1)

    async def step(do: Callable[[Tx, AppRow, VolumeRow], Awaitable[T]]) -> T:
        async with api.core.db.begin() as tx:
            row = (await tx.session.execute(select(AppRow).where(AppRow.id == live["id"]).with_for_update())).scalar_one()
            return await do(tx, row, await service.get(tx.session, row, volume["id"]))

    async def begun(_tx: Tx, row: AppRow, kept: VolumeRow) -> Filling:
        return begin(row, kept)

    def done(copy: int) -> Callable[[Tx, AppRow, VolumeRow], Awaitable[int | None]]:
        return lambda tx, row, kept: swap(tx, row, kept, copy, what)

    first, second = await step(begun), await step(begun)
    assert (first, second) == (Filling(copy=2, current=1), Filling(copy=3, current=1))
    with pytest.raises(Problem, match="meanwhile"):
        await step(done(2))
    await step(done(3))
    await world.desired_where(live["id"], lambda it: it.copies == {volume["id"]: 3})
    with pytest.raises(Problem, match="meanwhile"):
        await step(done(3))  # nor twice
    assert await step(begun) == Filling(copy=4, current=3)


async def test_purged_is_gone_once_the_runtime_says_so(api: ApiServer, world: World, app: Json) -> None:
    path = f"/apps/{app['id']}"
    volume = {**await make(api, app), "project": app["project_id"]}
    waiting = asyncio.create_task(api.client.delete(f"{path}/volumes/{volume['id']}?purge=true&wait=20"))
    await world.desired_where(app["id"], lambda it: it.purge == (volume["id"],))
    assert await refused(api, "POST", f"{path}/volumes", json={"name": "data", "mount_path": "/data"}) == (409, "volume_purging")
    for method, way, body in (("PUT", "", {"backup": {"schedule": "0 3 * * *"}}), ("POST", "/backups", None), ("GET", "/archive", None)):
        assert await refused(api, method, f"{path}/volumes/{volume['id']}{way}", json=body) == (409, "volume_purging")
    await purged(api, world, volume)
    answer = await waiting
    assert (answer.status_code, answer.json()) == (200, {"id": volume["id"], "name": "data", "purged": True})
    await world.desired_where(app["id"], lambda it: it.purge == ())
    kinds = [event["type"] for event in (await api.client.get(f"{path}/events?after=0")).json()["items"]]
    assert [kind for kind in kinds if kind.startswith("volume.")] == [
        "volume.created",
        "volume.detached",
        "volume.purging",
        "volume.purged",
    ]
    assert (await make(api, app))["id"] != volume["id"]


async def test_data_outlives_its_app_and_is_found_again(api: ApiServer, world: World, project: Json, app: Json) -> None:
    volume = {**await make(api, app), "project": project["id"]}
    await api.client.delete(f"/apps/{app['id']}")
    await world.removed(app["id"])
    await _gone(api, app)
    listed = (await api.client.get(f"/projects/{project['id']}/volumes?limit=200")).json()["items"]
    assert [one["state"] for one in listed if one["id"] == volume["id"]] == ["detached"]
    body = {"name": "other", "slug": f"other-{app['slug'][-12:]}", "image": "nginx:alpine"}
    other = (await api.client.post(f"/projects/{project['id']}/apps", json=body)).json()
    assert (await make(api, other))["id"] != volume["id"]  # an app of another name does not find it by chance
    again = (await api.client.post(f"/projects/{project['id']}/apps", json={**body, "slug": app["slug"]})).json()
    assert (await make(api, again))["id"] == volume["id"]
    assert await refused(api, "DELETE", f"/projects/{project['id']}/volumes/{volume['id']}") == (404, "not_found")
    taken = await refused(api, "POST", f"/apps/{other['id']}/volumes", json={"name": "x", "mount_path": "/x", "adopt": volume["id"]})
    assert taken == (404, "not_found")


async def test_what_a_deleted_app_left_is_purged_and_forgotten(api: ApiServer, world: World, project: Json, app: Json) -> None:
    volume = {**await make(api, app), "project": project["id"]}
    plan = (await api.client.delete(f"/apps/{app['id']}?dry_run=true")).json()
    assert {"action": "keep_volume", "detail": "data"} in plan["plan"]
    await api.client.delete(f"/apps/{app['id']}")
    await world.removed(app["id"])
    await _gone(api, app)
    answer = await api.client.delete(f"/projects/{project['id']}/volumes/{volume['id']}")
    assert (answer.status_code, answer.json()["state"]) == (202, "purging")
    await world.desired_where(app["id"], lambda it: it.intent == Intent.DELETED and it.purge == (volume["id"],))
    await purged(api, world, volume)
    async with asyncio.timeout(20):
        while await world.desired(app["id"]) is not None:
            await asyncio.sleep(0.02)


async def test_an_app_goes_with_its_data_when_that_is_asked_for(api: ApiServer, world: World, app: Json) -> None:
    volume = {**await make(api, app), "project": app["project_id"]}
    plan = (await api.client.delete(f"/apps/{app['id']}?dry_run=true&purge_volumes=true")).json()
    assert ({"action": "purge_volume", "detail": "data"} in plan["plan"], bool(plan["warnings"])) == (True, True)
    await api.client.delete(f"/apps/{app['id']}")
    await world.desired_where(app["id"], lambda it: it.intent == Intent.DELETED and not it.purge)
    await api.client.delete(f"/apps/{app['id']}?purge_volumes=true")  # said too late is said in time
    await world.desired_where(app["id"], lambda it: it.purge == (volume["id"],))
    await purged(api, world, volume)


async def test_a_project_with_data_goes_only_with_it(api: ApiServer, world: World) -> None:
    project = (await api.client.post("/projects", json={"name": "with data"})).json()
    body = {"name": "one", "slug": f"one-{project['id'][-12:]}", "image": "nginx:alpine"}
    app = (await api.client.post(f"/projects/{project['id']}/apps", json=body)).json()
    volume = await make(api, app)
    path = f"/projects/{project['id']}"
    assert await refused(api, "DELETE", f"{path}?cascade=true") == (409, "project_not_empty")
    assert (await api.client.delete(f"{path}?cascade=true&purge_volumes=true")).status_code == 202
    desired = await world.desired_where(app["id"], lambda it: it.intent == Intent.DELETED)
    assert desired.purge == (volume["id"],)


async def _gone(api: ApiServer, app: Json) -> None:
    async with asyncio.timeout(20):
        while (await api.client.get(f"/apps/{app['id']}")).status_code != 404:
            await asyncio.sleep(0.02)


async def test_a_backup_is_held_for_as_long_as_somebody_makes_it(api: ApiServer, runtime: Served, live: Json) -> None:
    """A runtime without a place for it is asked again; a process that is killed in the middle leaves it due."""
    volume = await make(api, live)
    asked, going_on = asyncio.Event(), asyncio.Event()

    async def begin_reading(_app_id: str, _request: msgspec.Raw) -> Session:
        if not asked.is_set():
            asked.set()
            raise Refusal("too_many_sessions", "There is no place for it.")
        return Session(serve=serve)

    async def serve(channel: Channel) -> Ended:
        going_on.set()
        while await channel.receive() is not None:
            pass
        return Ended(reason="left")

    async def row() -> VolumeRow:
        async with api.core.db.read() as session:
            return await session.get_one(VolumeRow, volume["id"])

    async def due_in(least: float, most: float) -> VolumeRow:
        async def found() -> VolumeRow | None:
            now = await row()
            return now if now.backup_at is not None and least < now.backup_at - time.time() < most else None

        return cast("VolumeRow", await eventually(found, what=f"to be due in {least} to {most} s"))

    sessions, kinds = runtime
    kinds["archive"] = Kind(open=begin_reading, most=2)
    try:
        assert (await api.client.post(f"/apps/{live['id']}/volumes/{volume['id']}/backups")).status_code == 202
        assert (await due_in(5, 16)).backup_last is None
        async with api.core.db.begin() as tx:
            await tx.connection.execute(update(VolumeRow).where(VolumeRow.id == volume["id"]).values(backup_at=1.0))
        async with asyncio.timeout(10):
            await going_on.wait()
        assert (await due_in(30, 61)).backup_last is None
    finally:
        await sessions.close()

    async def failed() -> bool:
        now = await row()
        return now.backup_at is None and "runtime" in (now.backup_last or "")

    await eventually(failed, what="the end of it")


async def test_a_scheduled_backup_that_nobody_was_there_for_is_made_once(api: ApiServer, runtime: Served, live: Json) -> None:
    path = f"/apps/{live['id']}/volumes/{(volume := await make(api, live))['id']}"
    refusals = 2

    async def begin_reading(_app_id: str, _request: msgspec.Raw) -> Session:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise Refusal("runtime_unavailable", "The engine does not answer.")
        return Session(serve=serve)

    async def serve(channel: Channel) -> Ended:
        await channel.send(b"tar", BYTES)
        await channel.put(b"", END)
        await channel.over.wait()
        return Ended(reason="left")

    async def due() -> None:
        async with api.core.db.begin() as tx:
            await tx.connection.execute(update(VolumeRow).where(VolumeRow.id == volume["id"]).values(backup_at=1.0))

    async def tried(left: int) -> None:
        async def waits() -> bool:
            async with api.core.db.read() as session:
                at = (await session.get_one(VolumeRow, volume["id"])).backup_at or 0.0
            return refusals == left and 30 < at - time.time() < 61 and (await api.client.get(path)).json()["last_backup_error"] is not None

        await eventually(waits, what="another try, in a minute")

    runtime[1]["archive"] = Kind(open=begin_reading, most=2)
    await api.client.put(path, json={"backup": {"schedule": "0 0 29 2 *", "keep": 3}})
    await due()
    await tried(1)
    await due()
    await tried(0)
    await due()

    async def made() -> Any:
        return (await api.client.get(f"{path}/backups")).json()["items"]

    (backup,) = await eventually(made, what="the backup")
    now = await eventually(lambda: _whole(api, path), what="it to be noted")
    assert now["backup"]["next_at"].endswith("-02-29T00:00:00.000Z")
    events = (await api.client.get(f"/apps/{live['id']}/events?after=0&limit=200")).json()["items"]
    assert [each["type"] for each in events if "back" in each["type"]] == ["volume.backup_failed", "volume.backed_up"]

    assert (await api.client.delete(f"{path}/backups/{backup['name']}")).status_code == 204
    assert await refused(api, "DELETE", f"{path}/backups/{backup['name']}") == (404, "not_found")
    assert await made() == []


async def _whole(api: ApiServer, path: str) -> Json | None:
    found: Json = (await api.client.get(path)).json()
    return found if found["last_backup_at"] and not found["last_backup_error"] else None


async def test_backups_by_hand_end_somewhere(api: ApiServer, app: Json) -> None:
    volume = await make(api, app)
    place = Path(api.settings.home) / "backups" / "volumes" / volume["id"]
    place.mkdir(parents=True)
    for number in range(MOST_BY_HAND):
        (place / f"20260101T{number:012}Z.tar.gz").touch()
    assert await refused(api, "POST", f"/apps/{app['id']}/volumes/{volume['id']}/backups") == (409, "quota_exceeded")


async def test_who_waits_for_nobody_is_let_go(api: ApiServer, runtime: Served, live: Json) -> None:
    """A reader that went before the first byte; and a writer that sends nothing more, of an archive that was refused."""
    _, kinds = runtime
    path = f"/apps/{live['id']}/volumes/{(await make(api, live))['id']}/archive"
    begun, over = asyncio.Event(), asyncio.Event()

    async def say_nothing(channel: Channel) -> Ended:
        begun.set()
        try:
            await channel.over.wait()
        finally:
            over.set()
        return Ended(reason="left")

    async def refuse(channel: Channel) -> Ended:
        await channel.receive()
        return Ended(reason="refused", detail="It is none.")

    def kind(serve: Callable[[Channel], Awaitable[Ended]]) -> Kind:
        async def begin_it(_app_id: str, _request: msgspec.Raw) -> Session:
            return Session(serve=serve)

        return Kind(open=begin_it, most=1)

    kinds |= {"archive": kind(say_nothing), "restore": kind(refuse)}
    async with asyncio.timeout(30):
        reading = asyncio.create_task(api.client.get(path))
        await begun.wait()
        reading.cancel()
        await over.wait()

    where = httpx.URL(api.url)
    lines = (
        f"PUT /api/v1{path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: {api.client.headers['Authorization']}",
        "Content-Length: 99",
    )
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(where.host, where.port)
        writer.write("\r\n".join((*lines, "", "a beginning")).encode())
        assert b" 400 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
