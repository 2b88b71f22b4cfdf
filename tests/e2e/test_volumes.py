"""Data that outlives containers: redeploy, rollback, a failed deploy, stop and start, the app itself; and one writer all the while."""

import asyncio
import gzip
import io
import sqlite3
import tarfile
from collections.abc import AsyncIterator
from contextlib import closing

import httpx
import pytest

from tests import images
from tests.e2e.conftest import WAIT, Desk, Json
from tests.load.traffic import Traffic
from tests.stack import Stack, eventually

NOTES = [
    "-c",
    """mkdir /data/lock || echo OVERLAP >> /data/notes
    trap 'kill %1; wait; rmdir /data/lock; exit' TERM
    echo "$VERSION" >> /data/notes
    /web serve & wait""",
]
"""Writes down that it began, serves, and holds a lock while it lives: a second one at the same time would say so."""
DIES = ["-c", 'echo "$VERSION" >> /data/notes; exit 3']


async def notes(desk: Desk, app: Json) -> list[str]:
    """What every start wrote, in order, read in the container that runs."""
    client = desk.stack.leftovers().client
    (container,) = desk.stack.leftovers().containers(app["id"])
    asked = client.exec_create(container["Id"], ["cat", "/data/notes"])
    text: bytes = await asyncio.to_thread(client.exec_start, asked["Id"])
    return text.decode().split()


async def with_volume(desk: Desk) -> Json:
    app = await desk.app(images.shell(), command=NOTES, env={"VERSION": "1"}, drain_seconds=1)
    await desk.call("POST", f"/apps/{app['slug']}/volumes", json={"name": "data", "mount_path": "/data"})
    await desk.deploy(app["slug"])
    return app


async def test_data_outlives_every_container_and_has_one_writer(desk: Desk, stack: Stack) -> None:
    app = await with_volume(desk)
    slug = app["slug"]
    plan = await desk.call("POST", f"/apps/{slug}/deploy", params={"dry_run": "true"})
    assert (plan["downtime"], len(plan["warnings"])) == ("brief", 1)

    await desk.call("PUT", f"/apps/{slug}", json={"env": {"VERSION": "2"}})
    async with Traffic(stack.host(slug), stack.https_port, stack.trust(), slug) as traffic:
        assert (await desk.deploy(slug))["status"] == "live"
    assert traffic.failed == []  # requests wait while the one goes and the other comes
    assert await notes(desk, app) == ["1", "2"]

    # One that fails brings the old release back, and with it the answers.
    await desk.call("PUT", f"/apps/{slug}", json={"env": {"VERSION": "3"}, "command": DIES})
    assert (await desk.fail(slug))["failure"]["code"] == "container_exited"

    assert (await desk.look(slug)).status_code == 200  # held until the old release serves again
    assert await notes(desk, app) == ["1", "2", "3", "2"]

    async def measured() -> bool:
        (volume,) = (await desk.call("GET", f"/apps/{slug}/volumes"))["items"]
        return bool(volume["measured_at"] and volume["size_bytes"])

    await eventually(measured, what="the size of the volume")

    back = await desk.call("POST", f"/apps/{slug}/rollback", params={"wait": WAIT})
    assert back["status"] == "live"
    await desk.call("POST", f"/apps/{slug}/restart", params={"wait": WAIT})
    await desk.call("POST", f"/apps/{slug}/stop", params={"wait": WAIT})
    away = await desk.look(slug)
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    await desk.call("POST", f"/apps/{slug}/start", params={"wait": WAIT})
    assert await notes(desk, app) == ["1", "2", "3", "2", "1", "1", "1"]


async def test_data_is_kept_after_its_app_found_again_and_destroyed(desk: Desk) -> None:
    app = await with_volume(desk)
    slug = app["slug"]
    left = desk.stack.leftovers()
    answer = await desk.api.delete(f"/apps/{slug}/volumes?name=data&purge=true")
    assert (answer.status_code, answer.json()["code"]) == (409, "volume_in_use")
    await desk.call("DELETE", f"/apps/{slug}", params={"wait": WAIT})
    assert len(left.volumes(app["id"])) == 1

    again = await desk.app(images.shell(), slug=slug, command=NOTES, env={"VERSION": "9"})
    await desk.call("POST", f"/apps/{slug}/volumes", json={"name": "data", "mount_path": "/data"})
    await desk.deploy(slug)
    assert await notes(desk, again) == ["1", "9"]
    await desk.call("DELETE", f"/apps/{slug}", params={"wait": WAIT, "purge_volumes": "true"})
    assert (left.volumes(app["id"]), left.volumes(again["id"])) == ([], [])
    assert (await desk.call("GET", f"/projects/{app['project_id']}/volumes"))["items"] == []


async def archive(desk: Desk, app: Json, volume: Json) -> bytes:
    answer = await desk.api.get(f"/apps/{app['slug']}/volumes/{volume['id']}/archive")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-tar")
    return answer.content


def members(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name + "/" * member.isdir() for member in tar}


async def test_data_comes_back_from_an_archive(desk: Desk) -> None:
    """Backup, destroy, restore: into the volume that runs, and into another app's."""
    app = await with_volume(desk)
    slug = app["slug"]
    (volume,) = (await desk.call("GET", f"/apps/{slug}/volumes"))["items"]
    assert "./lock/" in members(await archive(desk, app, volume))  # of an app that runs: as it is at that moment
    await desk.call("POST", f"/apps/{slug}/stop", params={"wait": WAIT})
    kept = await archive(desk, app, volume)
    assert members(kept) == {"./", "./notes"}
    await desk.call("POST", f"/apps/{slug}/start", params={"wait": WAIT})
    assert await notes(desk, app) == ["1", "1"]

    path = f"/apps/{slug}/volumes/{volume['id']}/archive"
    for bad, code in ((b"", "empty_upload"), (kept[:700], "archive_refused"), (escaping(), "archive_refused")):
        answer = await desk.api.put(path, content=bad)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    with pytest.raises(httpx.HTTPError):
        await desk.api.put(path, content=broken_off(kept))
    assert await notes(desk, app) == ["1", "1"]  # nothing of what was refused is there

    async def only_the_first() -> bool:
        return copies(desk, app) == ["1"]

    await eventually(only_the_first, what="the copies of what was refused to be gone")

    restored = await desk.call("PUT", path, params={"wait": WAIT}, content=gzip.compress(kept))
    assert restored["size_bytes"] > 0
    assert await notes(desk, app) == ["1", "1"]  # the one of the archive, and that of the start with it
    (copy,) = copies(desk, app)
    assert int(copy) > 1  # those that were refused had numbers of their own

    await desk.call("DELETE", f"/apps/{slug}", params={"wait": WAIT, "purge_volumes": "true"})
    other = await desk.app(images.shell(), command=NOTES, env={"VERSION": "7"})
    made = await desk.call("POST", f"/apps/{other['slug']}/volumes", json={"name": "data", "mount_path": "/data"})
    await desk.call("PUT", f"/apps/{other['slug']}/volumes/{made['id']}/archive", content=kept)
    await desk.deploy(other["slug"])
    assert await notes(desk, other) == ["1", "7"]


def copies(desk: Desk, app: Json) -> list[str]:
    """Which copies of the app's volume the engine has."""
    return sorted(one["Name"].rpartition("-")[2] for one in desk.stack.leftovers().volumes(app["id"]))


async def broken_off(archive: bytes) -> AsyncIterator[bytes]:
    """The connection ends before the archive does."""
    yield archive[:1024]
    raise httpx.WriteError("gone")


def escaping() -> bytes:
    """An archive whose second member leads out of the volume."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("fine", "../../etc/passwd"):
            tar.addfile(tarfile.TarInfo(name))
    return file.getvalue()


async def due(desk: Desk, path: str, volume: Json) -> None:
    """Its time has come; return once the backup is made."""
    before = (await desk.call("GET", path))["last_backup_at"]
    with closing(sqlite3.connect(desk.stack.home.root / "api" / "dockup.db")) as database:
        database.execute("UPDATE volumes SET backup_at = 0 WHERE id = ?", (volume["id"],))
        database.commit()

    async def made() -> bool:
        now = await desk.call("GET", path)
        assert now["last_backup_error"] is None
        return bool(now["last_backup_at"] != before)

    await eventually(made, what="the backup")


async def test_backups_by_the_clock_and_by_hand(desk: Desk) -> None:
    """The newest are kept, and one of them brings the data back."""
    app = await with_volume(desk)
    slug = app["slug"]
    (volume,) = (await desk.call("GET", f"/apps/{slug}/volumes"))["items"]
    path = f"/apps/{slug}/volumes/{volume['id']}"
    answer = await desk.api.put(path, json={"backup": {"schedule": "at noon"}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/backup/schedule")
    made = await desk.call("POST", f"{path}/backups", params={"wait": WAIT})
    assert (made["last_backup_error"], made["backup"]) == (None, None)
    (first,) = (await desk.call("GET", f"{path}/backups"))["items"]

    scheduled = await desk.call("PUT", path, json={"backup": {"schedule": "0 3 29 2 *", "keep": 2}})
    for _ in range(2):
        await due(desk, path, volume)
    kept = [one["name"] for one in (await desk.call("GET", f"{path}/backups"))["items"]]
    assert (len(kept), first["name"] in kept) == (2, False)
    assert (await desk.call("GET", path))["backup"]["next_at"] == scheduled["backup"]["next_at"]

    await desk.call("POST", f"/apps/{slug}/restart", params={"wait": WAIT})
    assert await notes(desk, app) == ["1", "1"]
    key = {"Idempotency-Key": slug}
    await desk.call("POST", f"{path}/backups/{kept[0]}/restore", params={"wait": WAIT}, headers=key)
    assert await notes(desk, app) == ["1", "OVERLAP", "1"]  # with the lock of the moment at which it was made
    again = await desk.api.post(f"{path}/backups/{kept[0]}/restore", params={"wait": WAIT}, headers=key)
    assert (again.status_code, again.headers["idempotent-replay"]) == (200, "true")
    assert await notes(desk, app) == ["1", "OVERLAP", "1"]  # and once
    missing = await desk.api.post(f"{path}/backups/..%2F..%2Fstate.json/restore")
    assert missing.status_code == 404
