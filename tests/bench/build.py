"""A cached rebuild of an app, from the command until the image is ready, beside a clone and `docker build` by hand."""

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.messages.builder import BuildImage, ImageFailed, ImageReady
from services.builder.__main__ import serve
from services.builder.build import cli
from services.builder.settings import Settings
from tests import images
from tests.bench.results import Figures, median
from tests.conftest import DOCKER_HOST
from tests.integration.builder.conftest import SECRET_KEY
from tests.servers.git import GitServer
from tests.servers.nats import NatsServer
from tests.stack import Stack

_FILES = 300
_STEPS = 6


async def measure(_stack: Stack, rounds: int) -> Figures:
    """Interleaved rounds of both, on a builder and a bus of their own; every step is in the engine's cache, for both."""
    with tempfile.TemporaryDirectory() as folder:
        host, nats = GitServer(Path(folder) / "repos"), NatsServer(Path(folder))
        host.start()
        nats.start()
        nats.ensure()
        try:
            commit = host.make_repo("app", _files())
            samples = await _rounds(Path(folder), host.url("app"), commit, nats.url, rounds)
        finally:
            nats.kill()
            host.stop()
    hand, ours = ([each[column] for each in samples] for column in (0, 1))
    return {
        "rounds": rounds,
        "clone + docker build by hand, median s": median(hand),
        "command until the image is ready, median s": median(ours),
        "ours beside by hand (at most 1.2)": round(median(ours) / median(hand), 3),
        "samples_s": {"by hand": hand, "ours": ours},
    }


def _files() -> dict[str, str]:
    steps = "\n".join(f"RUN echo step {number}" for number in range(_STEPS))
    dockerfile = f"FROM {images.shell()}\nCOPY . /app\n{steps}\n"
    return {"Dockerfile": dockerfile, **{f"src/{number}.txt": secrets.token_hex(2000) for number in range(_FILES)}}


async def _rounds(folder: Path, url: str, commit: str, nats: str, rounds: int) -> list[tuple[float, float]]:
    settings = Settings(
        home=str(folder / "home"),
        instance="bench-build",
        nats_url=nats,
        docker_host=DOCKER_HOST,
        secret_key=SECRET_KEY,
        egress_allow=("127.0.0.0/8",),
    )
    app_id = ids.new("app")
    docker = await cli.find()
    assert docker, "no docker here can build"
    bus, api = await Bus.connect(nats, "builder"), await Bus.connect(nats, "api")
    serving = asyncio.create_task(serve(settings, bus))
    try:
        await _ours(api, app_id, 0, url, commit)
        samples = []
        for number in range(1, rounds + 1):
            hand = await asyncio.to_thread(_by_hand, docker.path, folder / "hand", url, app_id)
            samples.append((hand, await _ours(api, app_id, number, url, commit)))
        return samples
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        await bus.close()
        await api.close()
        _forget(app_id)


def _by_hand(docker: str, folder: Path, url: str, app_id: str) -> float:
    env = {"PATH": os.environ["PATH"], "DOCKER_BUILDKIT": "1", "DOCKER_HOST": DOCKER_HOST, "HOME": str(folder.parent)}
    began = time.perf_counter()
    subprocess.run(["git", "clone", "--quiet", "--depth=1", url, str(folder)], check=True, env=env)
    # What the builder leaves out as well.
    shutil.rmtree(folder / ".git")
    subprocess.run([docker, "build", "--quiet", "--tag", f"dockup/{app_id}:hand", str(folder)], check=True, env=env, capture_output=True)
    took = time.perf_counter() - began
    shutil.rmtree(folder)
    return round(took, 3)


async def _ours(api: Bus, app_id: str, release: int, url: str, commit: str) -> float:
    deployment_id = ids.new("dep")
    command = BuildImage(
        command_id=f"{deployment_id}.prepare", app_id=app_id, deployment_id=deployment_id, release=release, url=url, commit=commit
    )
    ends = [subjects.build("evt", "builder", kind.__name__, app_id) for kind in (ImageReady, ImageFailed)]
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: object) -> None:
        await heard.put(message.subject)  # type: ignore[attr-defined]

    listening = [await api.client.subscribe(subject, cb=hear) for subject in ends]
    await api.client.flush()
    began = time.perf_counter()
    await api.publish(subjects.command("builder", command, app_id), command, command.command_id)
    async with asyncio.timeout(60):
        end = await heard.get()
    took = time.perf_counter() - began
    for each in listening:
        await each.unsubscribe()
    assert end == ends[0], "the build failed"
    return round(took, 3)


def _forget(app_id: str) -> None:
    for image in images.client().images(filters={"reference": f"dockup/{app_id}:*"}):
        for tag in image["RepoTags"]:
            images.client().remove_image(tag)
