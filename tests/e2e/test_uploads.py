"""Uploads, as a person sends them: docker save into curl, through the proxy, to a live app."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import archives, images
from tests.e2e.conftest import Desk, Json
from tests.stack import Stack, eventually

SEED = """docker save {image} | {between}
  curl -X POST --data-binary @- \\
    -H "Authorization: Bearer $HBR" \\
    -H "Content-Type: application/octet-stream" \\
    https://localhost:{port}/api/v1/deploy/{slug}"""
"""The seed document's own lines, but for host and image."""
MB = 1024 * 1024


async def pipe(stack: Stack, slug: str, between: str = "", image: str = "") -> Json:
    """Run the pipe in a shell; return what curl printed."""
    command = SEED.format(image=image or images.web(), between=between, port=stack.https_port, slug=slug)
    environ = {**os.environ, "HBR": stack.credentials["api_key"], "CURL_CA_BUNDLE": str(stack.home.root_certificate)}
    done = await asyncio.to_thread(
        subprocess.run, ["/bin/bash", "-c", command], env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    answer: Json = json.loads(done.stdout)
    return answer


async def ended(desk: Desk, deployment_id: str, seconds: float = 60) -> Json:
    async def look() -> Json | None:
        found = await desk.call("GET", f"/deployments/{deployment_id}")
        return found if found["finished_at"] else None

    found = await eventually(look, seconds, what="the deployment to end")
    assert found
    return found


async def spool_is_empty(stack: Stack) -> bool:
    return not list((stack.home.root / "spool").iterdir())


async def test_docker_save_into_curl(desk: Desk, stack: Stack) -> None:
    """Live with its settings, nobody's tag moved; again without a body; an empty pipe is refused, a cut one fails."""
    before = images.client().inspect_image(images.web())
    app = await desk.app("busybox:nobody", env={"VERSION": "kept"})
    accepted = await pipe(stack, app["slug"])
    assert (accepted["trigger"], accepted["source"]) == ("upload", "upload"), accepted
    assert (await ended(desk, accepted["id"]))["status"] == "live"
    assert (await desk.look(app["slug"], "/version")).text == "kept"
    seen = await desk.get(app["slug"])
    assert (seen["image"], seen["pending_changes"]) == (f"dockup/{app['id']}:r1", False)
    after = images.client().inspect_image(images.web())
    assert after["Id"] == before["Id"]
    assert set(after["RepoTags"]) >= {images.web(), seen["image"]}
    await eventually(lambda: spool_is_empty(stack), what="the spool to be swept")

    again = await desk.deploy(app["slug"])
    assert (again["status"], again["image"], again["source"]) == ("live", seen["image"], "upload")

    empty = await pipe(stack, app["slug"], between="true |")
    assert (empty["status"], empty["code"]) == (400, "empty_upload")
    assert len((await desk.call("GET", f"/apps/{app['slug']}/deployments"))["items"]) == 2

    cut = await pipe(stack, app["slug"], between="head -c 500000 |")
    failed = await ended(desk, cut["id"])
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "upload_invalid")
    assert (await desk.look(app["slug"], "/version")).text == "kept"
    assert (await desk.get(app["slug"]))["image"] == seen["image"]


async def test_the_images_of_an_app_go_with_it(desk: Desk) -> None:
    app = await desk.app("busybox:nobody")
    archive = b"".join(images.client().get_image(images.web()))
    answer = await desk.api.post(
        f"/apps/{app['slug']}/upload-image", params={"wait": 60}, files={"file": ("image.tar", archive, "application/x-tar")}
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "live"), answer.text
    other = await desk.fail((await desk.app(f"dockup/{app['id']}:r1"))["slug"])
    assert other["failure"]["code"] == "image_not_found", "it is that app's alone"
    await desk.call("DELETE", f"/apps/{app['slug']}", params={"wait": 60})

    async def gone() -> bool:
        return not images.client().images(filters={"reference": f"dockup/{app['id']}:*"})

    await eventually(gone, 30, what="its images to go")
    assert images.client().inspect_image(images.web())


@pytest.mark.parametrize("megabytes", [300, pytest.param(5000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
async def test_memory_stays_flat(desk: Desk, stack: Stack, tmp_path: Path, megabytes: int) -> None:
    """What each process on its way uses at most does not grow with the upload; the app runs, and nothing is left in the spool."""
    archives.grown(tmp_path / "big.tar", b"".join(images.client().get_image(images.web())), megabytes)
    app = await desk.app("busybox:nobody")
    used = {name: peak(stack, name) for name in ("haproxy", "router", "api", "builder")}
    answer = await desk.api.post(
        f"/apps/{app['slug']}/deploy", content=pieces(tmp_path / "big.tar"), headers={"Content-Type": "application/x-tar"}, timeout=1200
    )
    assert answer.status_code == 202, answer.text
    deployment = await ended(desk, answer.json()["id"], 1200)
    assert deployment["status"] == "live", deployment
    more = {name: (peak(stack, name, reset=False) - before) // MB for name, before in used.items()}
    assert all(each < 48 for each in more.values()), more
    await eventually(lambda: spool_is_empty(stack), what="the spool to be swept")


async def pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, MB):
            yield piece


def peak(stack: Stack, service: str, *, reset: bool = True) -> int:
    """The most memory in bytes that the process has had, since it was told to forget that when `reset`."""
    found = stack.find(service)
    assert found
    if reset:
        Path(f"/proc/{found.pid}/clear_refs").write_text("5")
    status = Path(f"/proc/{found.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024
