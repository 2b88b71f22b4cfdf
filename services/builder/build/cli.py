"""Which `docker` on the PATH can build: docker-py cannot speak BuildKit, and not every command line can."""

import asyncio
import os
import re
from pathlib import Path

import msgspec

from services.builder import processes

_CLASSIC = re.compile(r"version (\d+)\.")
_BUILDX_NEEDED_FROM = 23
_MINIMAL_ENV = ("PATH", "HOME")


class Cli(msgspec.Struct, frozen=True, kw_only=True):
    """`plugins`: where its buildx is, when it is not where every user has it."""

    path: str
    plugins: Path | None = None


async def find() -> Cli | None:
    """The first `docker` on the PATH that builds with BuildKit: with buildx, or from before buildx was needed. None without one."""
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    plugins = own if await asyncio.to_thread(own.is_dir) else None
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = Path(folder, "docker")
        if await asyncio.to_thread(os.access, path, os.X_OK) and await _builds(str(path)):
            return Cli(path=str(path), plugins=plugins)
    return None


async def _builds(path: str) -> bool:
    env = {name: os.environ[name] for name in _MINIMAL_ENV if name in os.environ}
    try:
        buildx = await processes.run([path, "buildx", "version"], env=env, cwd=Path("/"))
        version = await processes.run([path, "--version"], env=env, cwd=Path("/"))
    except OSError:
        return False
    if buildx.code == 0:
        return True
    found = _CLASSIC.search(version.out.decode(errors="replace"))
    return found is not None and int(found[1]) < _BUILDX_NEEDED_FROM
