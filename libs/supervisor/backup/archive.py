"""The file: a tar, compressed and encrypted on its way, so that nothing in the clear lies beside it."""

import contextlib
import gzip
import hashlib
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyrage

from libs.supervisor.backup.parts import FORMAT, MANIFEST, Manifest
from libs.supervisor.problem import Problem

_BLOCK = 1024 * 1024
_FAST = 3


def fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder`, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Remove the beginnings of backups that processes which were killed left there."""
    for draft in folder.glob(".dockup-*.age.*"):
        pid = draft.name.rpartition(".")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            draft.unlink(missing_ok=True)


def write(folder: Path, target: Path, recipient: pyrage.x25519.Recipient) -> None:
    """Pack `folder` into `target`, which is there whole or not at all."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            with _piped(lambda clear: pyrage.encrypt_io(clear, out, [recipient]), into=True) as clear:
                _pack(folder, clear)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _pack(folder: Path, clear: BinaryIO) -> None:
    with gzip.GzipFile(fileobj=clear, mode="wb", compresslevel=_FAST) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        tar.add(folder / MANIFEST, MANIFEST)
        for path in sorted(folder.iterdir()):
            if path.name != MANIFEST:
                tar.add(path, path.name)


def read(source: Path, folder: Path, identity: pyrage.x25519.Identity) -> Manifest:
    """Unpack `source` into `folder` and hold it against its manifest; `Problem` for a wrong key and for a file that is not whole."""
    try:
        with source.open("rb") as sealed, _piped(lambda clear: pyrage.decrypt_io(sealed, clear, [identity]), into=False) as clear:
            with tarfile.open(fileobj=clear, mode="r|gz") as tar:
                for member in tar:
                    _extract(tar, member, folder)
            while clear.read(_BLOCK):
                pass
    except (pyrage.DecryptError, tarfile.TarError, EOFError, OSError) as error:
        raise Problem(f"{source} cannot be opened with this key, or is not whole: {error}") from error
    return _checked(source, folder)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Files and folders below `folder`, for the owner alone; whatever else an archive may hold, ours does not."""
    target = folder / member.name
    if not target.resolve().is_relative_to(folder.resolve()) or not (member.isfile() or member.isdir()):
        raise tarfile.TarError(f"{member.name} is none of ours")
    if member.isdir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tar.extractfile(member) as data, target.open("wb") as file:  # type: ignore[union-attr]
        shutil.copyfileobj(data, file, _BLOCK)
    target.chmod(member.mode & 0o700)


def _checked(source: Path, folder: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise Problem(f"{source} is not a backup of Dockup's: {error}") from error
    if manifest.format > FORMAT:
        raise Problem(f"{source} was made by a newer Dockup ({manifest.version}); restore it with that one")
    found = fingerprints(folder)
    found.pop(MANIFEST)
    if wrong := sorted(name for name in found.keys() | manifest.parts.keys() if found.get(name) != manifest.parts.get(name)):
        raise Problem(f"{source} is damaged: {', '.join(wrong[:5])}")
    return manifest


@contextlib.contextmanager
def _piped(work: Callable[[BinaryIO], None], *, into: bool) -> Iterator[BinaryIO]:
    """Run `work` on one end of a pipe in a thread, and give the other; its error is raised here."""
    reading, writing = os.pipe()
    ours, theirs = (writing, reading) if into else (reading, writing)
    failed: list[Exception] = []

    def run() -> None:
        try:
            with os.fdopen(theirs, "rb" if into else "wb") as end:
                work(end)
        except Exception as error:  # noqa: BLE001 - raised by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with os.fdopen(ours, "wb" if into else "rb") as end:
            yield end
    except (BrokenPipeError, tarfile.TarError, EOFError):
        thread.join()
        if not failed:
            raise
    finally:
        thread.join()
    if failed:
        raise failed[0]
