"""Images for tests and benches, made here: one static program (`images/web.c`) and busybox, without any registry.

Each function returns a reference that is on the engine; `python -m tests.images` makes all of them and prints the references.
Needs gcc, libc's headers and busybox-static from the distribution.
"""

import fcntl
import hashlib
import io
import json
import os
import secrets
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import docker
import docker.errors

SOURCE = Path(__file__).with_name("images") / "web.c"
BUSYBOX = Path("/bin/busybox")
PORT = 8080

_ELF_MACHINE = 18
LABEL = "dockup-test.source"
_COMPILE = ("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-pthread", "-o")
_LINKS = ("sh", "cat", "echo", "env", "id", "ls", "ps", "sleep", "touch", "true")


def web() -> str:
    """Serves at once on 8080 (PORT): `/`, `/version`, `/echo`, `/slow`, `/ws`, …; its source lists all."""
    return _made("web", "serve")


def exits(code: int = 3) -> str:
    """Writes two lines on standard error and exits with `code`."""
    return _made(f"exits-{code}", "exits", str(code))


def silent() -> str:
    """Sleeps, never listens."""
    return _made("silent", "silent")


def wrong_port() -> str:
    """Listens on 9999 alone."""
    return _made("wrong-port", "wrong-port")


def loopback() -> str:
    """Listens on 127.0.0.1 alone."""
    return _made("loopback", "loopback")


def eats_memory() -> str:
    """Allocates 1 GB before it listens: killed wherever the limit is lower."""
    return _made("eats-memory", "eats-memory")


def slow_start() -> str:
    """Listens after two seconds."""
    return _made("slow-start", "slow-start")


def ignores_term() -> str:
    """Serves, and takes no notice of TERM."""
    return _made("ignores-term", "ignores-term")


def shell() -> str:
    """The sh of busybox as entry point: the command is its arguments, `-c` and a script."""
    return _made("shell", entry_point="/bin/sh")


def bare() -> str:
    """As `web`, without an entry point: a command replaces all of it."""
    return _made("bare", "/web", "serve", entry_point="")


@cache
def foreign() -> str:
    """Its program is one for another processor, and the image says so."""
    reference = "dockup-test/foreign:1"
    with alone():
        if not _is_there(reference):
            client().load_image(_archive(reference, _files(), "s390x"))
    return reference


def unheard_of(size: int = 1_000_000) -> str:
    """An image of random bytes, no layer of which is anywhere else; remove it after use."""
    repository = f"dockup-test/random-{secrets.token_hex(6)}"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, "random", secrets.token_bytes(size))
    client().import_image_from_data(layer.getvalue(), repository=repository, tag="1", changes=['CMD ["/random"]'])
    return f"{repository}:1"


def everything() -> list[str]:
    return [make() for make in (web, exits, silent, wrong_port, loopback, eats_memory, slow_start, ignores_term, shell, bare, foreign)]


@cache
def client() -> docker.APIClient:
    return docker.APIClient(os.environ.get("DOCKUP_DOCKER_HOST") or "unix:///var/run/docker.sock", version="auto")


@cache
def _made(name: str, *command: str, entry_point: str = "/web") -> str:
    reference = f"dockup-test/{name}:1"
    with alone():
        if not _is_there(reference):
            words = ", ".join(f'"{word}"' for word in command)
            entry = f'["{entry_point}"]' if entry_point else "[]"
            changes = [f"ENTRYPOINT {entry}", f"CMD [{words}]", f"EXPOSE {PORT}", "ENV PATH=/bin", f"LABEL {LABEL}={_source()}"]
            client().import_image_from_data(_files(), repository=f"dockup-test/{name}", tag="1", changes=changes)
    return reference


def _is_there(reference: str) -> bool:
    return source_of(reference) == _source()


def source_of(reference: str) -> str | None:
    """What an image that is here says it was made from."""
    try:
        found = client().inspect_image(reference)
    except docker.errors.ImageNotFound:
        return None
    source: str | None = (found["Config"]["Labels"] or {}).get(LABEL)
    return source


@contextmanager
def alone() -> Iterator[None]:
    """Test processes side by side make an image once."""
    with (Path(tempfile.gettempdir()) / "dockup-test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _source() -> str:
    return hashlib.sha256(SOURCE.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]


@cache
def _files() -> bytes:
    """The one layer of every image, as a tar."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "web"
        subprocess.run([*_COMPILE, str(program), str(SOURCE)], check=True)
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            _add(tar, "web", program.read_bytes())
            _add(tar, "foreign", _for_another_machine(program.read_bytes()))
            _add(tar, "bin/busybox", BUSYBOX.read_bytes())
            for name in _LINKS:
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
    return layer.getvalue()


def _archive(reference: str, layer: bytes, architecture: str) -> bytes:
    """What `docker save` writes, for an image that this engine could not make."""
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/foreign"], "Labels": {LABEL: _source()}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _add(tar, "config.json", json.dumps(config).encode())
        _add(tar, "layer.tar", layer)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return archive.getvalue()


def _for_another_machine(program: bytes) -> bytes:
    """The same ELF file, said to be for SPARC."""
    return program[:_ELF_MACHINE] + b"\x02\x00" + program[_ELF_MACHINE + 2 :]


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755
    tar.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    for made in everything():
        print(made)  # noqa: T201 - what a person at a shell asked for
