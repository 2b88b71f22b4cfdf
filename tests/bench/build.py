"""A cached rebuild of an app, from the command until the image is ready, beside a clone and `docker build` by hand."""

import asyncio
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

from services.builder.build import cli
from tests import images
from tests.bench.results import Figures, median
from tests.bench.workshop import Workshop, opened
from tests.conftest import DOCKER_HOST
from tests.stack import Stack

_FILES = 300
_STEPS = 6


async def measure(_stack: Stack, rounds: int) -> Figures:
    """Interleaved rounds of both, on a builder and a bus of their own; every step is in the engine's cache, for both."""
    async with opened() as workshop:
        commit = workshop.host.make_repo("app", _files())
        samples = await _rounds(workshop, commit, rounds)
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


async def _rounds(workshop: Workshop, commit: str, rounds: int) -> list[tuple[float, float]]:
    docker = await cli.find()
    assert docker, "no docker here can build"
    await _ours(workshop, commit)
    samples = []
    for _ in range(rounds):
        hand = await asyncio.to_thread(_by_hand, docker.path, workshop)
        samples.append((hand, await _ours(workshop, commit)))
    return samples


def _by_hand(docker: str, workshop: Workshop) -> float:
    folder: Path = workshop.folder / "hand"
    env = {"PATH": os.environ["PATH"], "DOCKER_BUILDKIT": "1", "DOCKER_HOST": DOCKER_HOST, "HOME": str(workshop.folder)}
    began = time.perf_counter()
    subprocess.run(["git", "clone", "--quiet", "--depth=1", workshop.host.url("app"), str(folder)], check=True, env=env)
    # What the builder leaves out as well.
    shutil.rmtree(folder / ".git")
    tag = f"dockup/{workshop.app_id}:hand"
    subprocess.run([docker, "build", "--quiet", "--tag", tag, str(folder)], check=True, env=env, capture_output=True)
    took = time.perf_counter() - began
    shutil.rmtree(folder)
    return round(took, 3)


async def _ours(workshop: Workshop, commit: str) -> float:
    took, code = await workshop.build("app", commit)
    assert code is None, f"the build failed: {code}"
    return took
