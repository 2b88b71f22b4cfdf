"""An upload of 1 GB until its image is ready, beside `docker load` of the same archive."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import httpx

from tests import archives, images
from tests.bench.bench import App
from tests.bench.results import Figures, median
from tests.stack import Stack

_MEGABYTES = 1024
_GAP = 0.02
_LONGEST = 600.0
_PIECE = 1024 * 1024


async def measure(stack: Stack, rounds: int) -> Figures:
    """Interleaved rounds of both; the image is removed between them, so that its layers are new each time."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        archives.grown(archive, b"".join(images.client().get_image(images.web())), _MEGABYTES)
        async with stack.client() as api:
            app = await App.live(stack, api, "bench-upload", drain_seconds=0)
            samples = [await _pair(app, api, archive) for _ in range(rounds)]
    raw, whole = ([each[column] for each in samples] for column in (0, 1))
    return {
        "rounds": rounds,
        "megabytes": _MEGABYTES,
        "docker load median s": median(raw),
        "upload until the image is ready, median s": median(whole),
        "speed beside docker load (at least 0.5)": round(median(raw) / median(whole), 3),
        "samples_s": {"docker load": raw, "upload": whole},
    }


async def _pair(app: App, api: httpx.AsyncClient, archive: Path) -> tuple[float, float]:
    raw = await asyncio.to_thread(_load, archive)
    whole = await _upload(app, api, archive)
    answer = await api.post(f"/apps/{app.slug}/deploy", params={"wait": 60}, json={"image": images.web()})
    assert answer.status_code == 200, answer.text
    await app.settled()
    for tag in (f"dockup/{app.id}:r{number}" for number in range(1, answer.json()["number"])):
        try:
            images.client().remove_image(tag)
        except docker.errors.ImageNotFound:
            continue
    return raw, whole


def _load(archive: Path) -> float:
    began = time.perf_counter()
    with archive.open("rb") as file:
        said = list(images.client().load_image(file))
    took = time.perf_counter() - began
    loaded = next(line["stream"].split("ID: ")[1].strip() for line in said if "ID: " in line.get("stream", ""))
    images.client().remove_image(loaded)
    return round(took, 2)


async def _upload(app: App, api: httpx.AsyncClient, archive: Path) -> float:
    began = time.perf_counter()
    answer = await api.post(
        f"/deploy/{app.slug}", content=_pieces(archive), headers={"Content-Type": "application/octet-stream"}, timeout=_LONGEST
    )
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(_LONGEST):
        while (seen := (await api.get(f"/deployments/{answer.json()['id']}")).json())["status"] in {"queued", "building"}:
            await asyncio.sleep(_GAP)
    took = time.perf_counter() - began
    assert seen["status"] in {"deploying", "live"}, seen
    while (await api.get(f"/deployments/{seen['id']}")).json()["finished_at"] is None:
        await asyncio.sleep(_GAP)
    return round(took, 2)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
