"""Disks without a byte left, for real: the engine's in the middle of a load, and the one that all of ours lies on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docker.errors
import pytest

from tests import images
from tests.faults.engine import OwnEngine, with_images
from tests.faults.oracle import Oracle
from tests.faults.world import small_disk
from tests.stack import Stack, eventually

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not OwnEngine.is_possible(), reason="starts a dockerd and mounts a tmpfs: root and docker.io"),
]
_ENGINE_DISK, _TOO_MUCH = "256m", 300_000_000
_HOME_DISK = "384m"
_TRIES = 10
_CHUNK = 1 << 20


@pytest.fixture
def engine() -> Iterator[OwnEngine]:
    engine = with_images(_ENGINE_DISK)
    try:
        yield engine
    finally:
        engine.destroy()


@pytest.fixture
def stack(engine: OwnEngine, tmp_path: Path) -> Iterator[Stack]:
    """All of ours lies on one small disk, but for the spool."""
    stack = Stack(docker_host=engine.url, sync_seconds="2", spool=str(tmp_path / "spool"))
    with small_disk(stack.home.root, _HOME_DISK):
        try:
            stack.up()
            yield stack
        finally:
            stack.destroy()


@pytest.fixture
async def app(stack: Stack) -> AsyncIterator[Oracle]:
    async with stack.direct_client() as client:
        body = {"create": True, "project": "faults", "name": "full", "image": images.web(), "internal_port": 8080, "drain_seconds": 2}
        answer = await client.post("/deploy/full", params={"wait": 60}, json=body)
        assert answer.status_code == 200, answer.text
        yield Oracle(stack, client, answer.json()["app_id"], "full")


async def serves(app: Oracle) -> None:
    async with app.stack.app_client(app.slug) as browser:
        assert (await browser.get("/version")).status_code == 200


async def saved(reference: str) -> AsyncIterator[bytes]:
    """What `docker save` writes."""
    process = await asyncio.create_subprocess_exec("docker", "save", reference, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    while chunk := await process.stdout.read(_CHUNK):
        yield chunk


async def test_the_engines_disk_fills_in_the_middle_of_a_load(engine: OwnEngine, app: Oracle, tmp_path: Path) -> None:
    before = {tag for image in engine.client().images() for tag in image["RepoTags"] or ()}
    reference = images.unheard_of(_TOO_MUCH)
    try:
        answer = await app.client.post(
            f"/deploy/{app.slug}",
            params={"wait": 120},
            content=saved(reference),
            headers={"Content-Type": "application/x-tar"},
            timeout=180,
        )
    finally:
        with contextlib.suppress(docker.errors.APIError):
            images.client().remove_image(reference, force=True)
    assert answer.status_code == 422, answer.text
    [failed, *_] = (await app.call("GET", f"/apps/{app.slug}/deployments")).json()["items"]
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "disk_full"), failed
    await serves(app)
    assert {tag for image in engine.client().images() for tag in image["RepoTags"] or ()} == before
    assert not [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    await app.new_version("after")
    await app.audit(await app.ended(await app.deploy()), "after")


def fill(folder: Path) -> Path:
    """Not a byte is left there."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


async def test_the_disk_of_the_state_folder_fills(app: Oracle) -> None:
    """What runs goes on and reads are answered; what is asked for is refused with a code, or accepted and done once there is room."""
    await app.new_version("later")
    ballast = fill(app.stack.home.root)
    accepted: list[str] = []
    codes: set[str] = set()
    for _ in range(_TRIES):
        await serves(app)
        assert (await app.client.get(f"/apps/{app.slug}")).status_code == 200
        answer = await app.client.post(f"/apps/{app.slug}/deploy", timeout=60)
        if answer.status_code == 202:
            accepted.append(answer.json()["id"])
        else:
            codes.add(answer.json()["code"])
        await asyncio.sleep(1)
    ballast.unlink()
    app.stack.wait_until_ok(90)
    assert codes <= {"disk_full", "database_unavailable"}, codes
    for deployment_id in accepted:
        await app.ended(deployment_id)
    await eventually(lambda: _takes_work(app), 90, what="work that is taken again")
    await app.audit(await app.ended(await app.deploy()), "later")


async def _takes_work(app: Oracle) -> bool:
    status = (await app.client.get("/system/status")).json()
    return all(disk["status"] != "full" for disk in status["disks"])
