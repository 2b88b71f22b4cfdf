"""Uploads: what is taken as one, what is refused before anything stays, and which images are kept."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from libs.common import ids
from services.api.http.problems import Problem
from services.api.uploads.spool import Spool
from services.api.uploads.sweep import sweep
from tests.archives import saved, tar
from tests.servers.api import ApiServer, World
from tests.stack import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ARCHIVE = tar(saved(tar([("hello", b"world" * 1000)])))
TAR = {"Content-Type": "application/octet-stream"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def spool(api: ApiServer) -> Path:
    return Path(api.settings.home) / "spool"


def files(api: ApiServer) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.name for path in spool(api).iterdir())
    return []


async def empty(api: ApiServer) -> None:
    async def nothing() -> bool:
        return files(api) == []

    await eventually(nothing, what="the spool to be empty")


async def take(api: ApiServer, world: World, app: dict[str, Any], path: str, **given: Any) -> dict[str, Any]:
    """An upload that is accepted: the file lies in the spool and the command is out."""
    answer = await api.client.post(path, **given)
    assert answer.status_code == 202, answer.text
    deployment: dict[str, Any] = answer.json()
    assert (deployment["trigger"], deployment["source"]) == ("upload", "upload")
    assert deployment["image"] == f"dockup/{app['id']}:r{deployment['number']}"
    command = await world.command(app["id"])
    assert command["command_id"] == f"{deployment['id']}.prepare"
    assert "reference" not in command
    assert (spool(api) / f"{deployment['id']}.tar").read_bytes() == ARCHIVE
    return deployment


async def test_an_upload_becomes_the_apps_image(api: ApiServer, world: World, live: dict[str, Any]) -> None:
    await api.client.put(f"/apps/{live['id']}", json={"env": {"MODE": "kept"}})
    deployment = await take(api, world, live, f"/deploy/{live['slug']}", content=ARCHIVE, headers=TAR)
    assert (await api.client.get(f"/apps/{live['id']}")).json()["image"] == "nginx:alpine", "it is not loaded yet"
    await world.bring_live(deployment)
    await empty(api)

    async def adopted() -> bool:
        app = (await api.client.get(f"/apps/{live['id']}")).json()
        return app["current_deployment_id"] == deployment["id"] and app["image"] == deployment["image"] and not app["pending_changes"]

    await eventually(adopted, what="the app to have its image")
    assert (await api.client.get(f"/apps/{live['id']}")).json()["env_keys"] == ["MODE"]
    again = (await api.client.post(f"/deploy/{live['slug']}")).json()
    assert (again["trigger"], again["source"], again["image"]) == ("api", "upload", deployment["image"])
    assert (await world.command(live["id"]))["reference"] == deployment["image"]


async def test_every_way_to_send_one(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    deploy, upload = f"/apps/{app['id']}/deploy", f"/apps/{app['slug']}/upload-image"

    async def piecewise() -> Any:
        for start in range(0, len(ARCHIVE), 1000):
            yield ARCHIVE[start : start + 1000]

    ways: list[dict[str, Any]] = [
        {"content": ARCHIVE, "headers": TAR},
        {"content": ARCHIVE, "headers": {"Content-Type": "application/x-tar"}},
        {"content": ARCHIVE, "headers": FORM},
        {"content": ARCHIVE},
        {"content": piecewise(), "headers": TAR},
        {"files": {"file": ("image.tar", ARCHIVE)}},
    ]
    for way in ways:
        await take(api, world, app, deploy, **way)
    last = await take(api, world, app, upload, content=ARCHIVE)
    seen = (await api.client.get(f"/apps/{app['id']}/deployments")).json()["items"]
    assert [each["status"] for each in seen] == ["queued", *["superseded"] * len(ways)]

    async def one() -> bool:
        return files(api) == [f"{last['id']}.tar"]

    await eventually(one, what="superseded uploads to go")
    await api.client.post(f"/apps/{app['id']}/stop")
    await empty(api)
    app = (await api.client.get(f"/apps/{app['id']}")).json()
    assert app["image"] == "nginx:alpine"


async def test_what_is_refused_leaves_nothing(api: ApiServer, app: dict[str, Any]) -> None:
    deploy, upload = f"/apps/{app['id']}/deploy", f"/apps/{app['id']}/upload-image"
    other_part, two = {"image": ARCHIVE}, [("file", ARCHIVE), ("file", ARCHIVE)]
    cases: list[tuple[int, str, str, dict[str, Any]]] = [
        (400, "empty_upload", deploy, {"content": b"", "headers": TAR}),
        (400, "empty_upload", f"/deploy/{app['slug']}", {"content": b"", "headers": {"Content-Type": "application/x-tar"}}),
        (400, "empty_upload", upload, {"content": b""}),
        (400, "empty_upload", upload, {"content": b"", "headers": FORM}),
        (400, "empty_upload", deploy, {"files": {"file": ("x", b"")}}),
        (400, "upload_invalid", deploy, {"content": b"<html>" * 1000, "headers": TAR}),
        (415, "unsupported_media_type", deploy, {"content": b"hello", "headers": FORM}),
        (415, "unsupported_media_type", deploy, {"content": b"hello", "headers": {"Content-Type": "text/plain"}}),
        (415, "unsupported_media_type", upload, {"json": {"image": "nginx"}}),
        (400, "malformed_json", deploy, {"content": b"hello"}),
        (413, "body_too_large", deploy, {"content": b'"' + b"x" * 5_000_000 + b'"', "headers": {"Content-Type": "application/json"}}),
        (400, "malformed_request", deploy, {"files": other_part}),
        (400, "malformed_request", deploy, {"files": two}),
        (400, "malformed_request", deploy, {"content": ARCHIVE, "headers": {"Content-Type": "multipart/form-data"}}),
        (404, "not_found", "/apps/nobody/deploy", {"content": ARCHIVE, "headers": TAR}),
    ]
    for status, code, path, given in cases:
        answer = await api.client.post(path, **given)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (path, given.get("headers"), answer.text)
        assert answer.json()["hint"]
    assert (await api.client.get(f"/apps/{app['id']}/deployments")).json()["items"] == []
    assert files(api) == []


async def test_the_plan_of_an_upload(api: ApiServer, app: dict[str, Any]) -> None:
    answer = await api.client.post(f"/apps/{app['id']}/deploy?dry_run=true", content=ARCHIVE, headers=TAR)
    assert answer.json()["plan"][0]["action"] == "load_image"
    assert (await api.client.get(f"/apps/{app['id']}/deployments")).json()["items"] == []
    assert files(api) == []


async def begin(api: ApiServer, app: dict[str, Any], size: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of an upload alone."""
    where = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"POST /api/v1/apps/{app['id']}/deploy HTTP/1.1\r\nHost: x\r\n{size}\r\nContent-Type: application/octet-stream\r\n"
    writer.write(f"{head}Authorization: {api.client.headers['Authorization']}\r\n\r\n".encode())
    return reader, writer


async def test_one_that_is_too_large(api: ApiServer, app: dict[str, Any], tmp_path: Path) -> None:
    """Refused by what it says of its size before a byte comes; and, saying nothing, as soon as it is too large."""
    reader, writer = await begin(api, app, f"Content-Length: {9_000 * 1024**2}")
    async with asyncio.timeout(10):
        said = await reader.readuntil(b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 413")
        assert b"upload_too_large" in await reader.read(1000)
    writer.close()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    with pytest.raises(Problem, match="upload_too_large"):
        await Spool(tmp_path, 3_000_000).take(endless())
    with pytest.raises(Problem, match="disk_full"):
        Spool(tmp_path, 2**62).check_room(2**61)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - in a coroutine


async def test_one_that_breaks_off(api: ApiServer, app: dict[str, Any]) -> None:
    """Cut at 90 %, with a length and without one: nothing is deployed, nothing stays."""
    for size in (f"Content-Length: {len(ARCHIVE)}", "Transfer-Encoding: chunked"):
        reader, writer = await begin(api, app, size)
        part = ARCHIVE[: len(ARCHIVE) * 9 // 10]
        body = part if "Length" in size else f"{len(part):x}\r\n".encode() + part + b"\r\n"
        writer.write(body)
        await writer.drain()

        async def begun() -> bool:
            return any(name.endswith(".part") for name in files(api))

        await eventually(begun, what="the upload to begin")
        writer.close()
        await empty(api)
        assert not await reader.read()
    assert (await api.client.get(f"/apps/{app['id']}/deployments")).json()["items"] == []


async def test_one_that_is_sent_again(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    headers = {**TAR, "Idempotency-Key": ids.new("k")}
    first = await take(api, world, app, f"/apps/{app['id']}/deploy", content=ARCHIVE, headers=headers)
    again = await api.client.post(f"/apps/{app['id']}/deploy", content=ARCHIVE, headers=headers)
    assert (again.json()["id"], again.headers["idempotent-replay"]) == (first["id"], "true")
    assert files(api) == [f"{first['id']}.tar"]
    other = await api.client.post(f"/apps/{app['id']}/deploy", content=ARCHIVE + bytes(512), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await world.image_failed(first, "upload_invalid")
    await empty(api)


async def test_an_image_that_was_named_meanwhile_stays(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    deployment = await take(api, world, app, f"/apps/{app['id']}/deploy", content=ARCHIVE, headers=TAR)
    await api.client.put(f"/apps/{app['id']}", json={"image": "nginx:2"})
    await world.bring_live(deployment)
    await world.desired_where(app["id"], lambda it: it.current is not None)
    seen = (await api.client.get(f"/apps/{app['id']}")).json()
    assert (seen["image"], seen["pending_changes"]) == ("nginx:2", True)


async def test_what_a_killed_api_left(api: ApiServer) -> None:
    """A file that a request holds stays; one that nobody holds goes, and a whole one only after a while."""
    spool(api).mkdir(exist_ok=True)
    held, left, whole = (spool(api) / name for name in ("dep_held.part", "dep_left.part", "dep_whole.tar"))
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        left.touch()
        whole.touch()

        async def only() -> bool:
            return files(api) == [held.name, whole.name]

        await eventually(only, what="what nobody holds to go")
    await sweep(api.core.db, spool(api), grace=3600)
    assert files(api) == [whole.name]
    os.utime(whole, (0, 0))
    await empty(api)


async def test_images_of_the_last_releases_are_kept(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    """Five live releases, and the one whose image the app has; one that failed among them does not count."""
    collected: list[list[int]] = []
    for turn in range(8):
        given: dict[str, Any] = {"content": ARCHIVE, "headers": TAR} if turn == 1 else {}
        deployment = (await api.client.post(f"/apps/{app['id']}/deploy", **given)).json()
        while (command := await world.command(app["id"]))["command_id"] != f"{deployment['id']}.prepare":
            collected.append(command["keep"])
        if turn == 3:
            await world.image_failed(deployment)
            continue
        await world.bring_live(deployment)
        await world.desired_where(app["id"], lambda it, wanted=deployment["id"]: it.current and it.current.deployment_id == wanted)
    assert collected == [[2, 3, 5, 6, 7]], "the eighth takes nobody's: the fifth from it is the second, whose image the app has"
    gone = await api.client.post(f"/apps/{app['id']}/deploy", json={"image": f"dockup/{app['id']}:r1"})
    assert (gone.status_code, gone.json()["code"]) == (409, "image_not_kept")
    kept = await api.client.post(f"/apps/{app['id']}/deploy", json={"image": f"dockup/{app['id']}:r2"})
    assert kept.status_code == 202
