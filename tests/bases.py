"""Base images for Dockerfiles that Dockup writes, made by the very commands of docs/git.md: of this machine's files, without a registry."""

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.images import alone

NAMES = {kind: f"dockup-test/base-{kind}" for kind in ("static", "python", "node")}
SETTING = ",".join(f"{kind}={image}" for kind, image in NAMES.items())
_ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"## Base images without a registry\n.*?```sh\n(.*?)```", re.DOTALL)


@cache
def make(kind: str) -> None:
    """Have the base image of that kind on the engine; `node` takes Node and npm on this machine."""
    found = _BLOCK.search((_ROOT / "docs" / "git.md").read_text())
    assert found
    commands = next(part for part in found[1].split("\n\n") if f"local/{kind}" in part)
    with alone():
        subprocess.run(["sh", "-euc", commands.replace("local/", "dockup-test/base-")], cwd=_ROOT, check=True, timeout=120)
