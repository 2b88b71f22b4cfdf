"""Images for coding sessions, made here of this machine's own git: with the real Codex CLI, or with a shell in its place.

The CLI is the static program of the npm package `@openai/codex`, fetched once into the user's cache and checked against its digest.
"""

import base64
import hashlib
import os
import platform
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import httpx

from tests.images import LABEL, alone, source_of

SHELL, CLI = "dockup-test/coder-shell", "dockup-test/coder-codex"
VERSION = "0.171.0"
_ROOT = Path(__file__).parents[1]
_GIT = ("/usr/bin/git", "/usr/lib/git-core", "/usr/share/git-core/templates")
_ARCHIVE = f"https://registry.npmjs.org/@openai/codex/-/codex-{VERSION}-linux-x64.tgz"
_DIGEST = "l66NZkQgdk2C3pbcfULDz42yEUB581MVA6I+Y43Wp4OIqEy73HCdmZ0GTjeAHY2ycuH4N00d9VsLrwT1jxshTw=="
_PROGRAM = "package/vendor/x86_64-unknown-linux-musl/bin/codex"
_DOCKERFILE = """
FROM {base}
RUN mkdir -p /home/codex /work && chown 1000:1000 /home/codex /work{more}
LABEL {label}={source}
"""
_AS_SHELL = " && mkdir -p /usr/local/bin && printf '#!/bin/sh\\nexec /bin/sh\\n' >/usr/local/bin/codex && chmod 755 /usr/local/bin/codex"


@cache
def shell() -> str:
    """`codex` is a shell, whatever it is asked: who holds the session sees what a model could do."""
    _make(SHELL, _AS_SHELL)
    return SHELL


@cache
def cli() -> str:
    """`codex` is the real one."""
    program = fetch()
    _make(CLI, "", str(program), f"usr/local/bin/codex={program}")
    return CLI


def can_have_cli() -> bool:
    return platform.machine() == "x86_64"


def fetch() -> Path:
    """The program's path; 315 MB, from an archive of 172."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dockup-tests"
    program = folder / f"codex-{VERSION}"
    with alone():
        if not program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                archive = Path(scratch) / "codex.tgz"
                _download(archive)
                with tarfile.open(archive) as tar:
                    tar.extract(_PROGRAM, scratch, filter="data")
                (Path(scratch) / _PROGRAM).rename(program)
    return program


def _download(path: Path) -> None:
    digest = hashlib.sha512()
    with httpx.stream("GET", _ARCHIVE, follow_redirects=True, timeout=60) as answer, path.open("wb") as file:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            file.write(piece)
            digest.update(piece)
    assert base64.b64encode(digest.digest()).decode() == _DIGEST, f"{_ARCHIVE} is another file now"


def _make(name: str, more: str, *paths: str) -> None:
    source = hashlib.sha256(Path(__file__).read_bytes() + Path("/usr/bin/git").read_bytes()).hexdigest()[:16]
    with alone():
        if source_of(name) == source:
            return
        base = f"{name}-base"
        subprocess.run(["sh", "docs/base-image.sh", base, *_GIT, *paths], cwd=_ROOT, check=True, timeout=300)
        dockerfile = _DOCKERFILE.format(base=base, more=more, label=LABEL, source=source)
        command = ["docker", "build", "--quiet", "--tag", name, "-"]
        subprocess.run(command, input=dockerfile.encode(), check=True, timeout=300, capture_output=True)
