"""The file of a backup: whole, sealed, and refused when it is not."""

import os
import shutil
from pathlib import Path

import msgspec
import pyrage
import pytest

from libs.supervisor.backup import archive, images, keys
from libs.supervisor.backup.parts import FORMAT, MANIFEST, Manifest
from libs.supervisor.home import Home
from libs.supervisor.problem import Problem

SECRET = b"a secret that must not lie in the clear " * 40_000


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def sealed(tmp_path: Path, identity: pyrage.x25519.Identity) -> Path:
    return seal(tmp_path, identity)


def seal(tmp_path: Path, identity: pyrage.x25519.Identity, **changed: object) -> Path:
    folder = tmp_path / "parts"
    (folder / "api").mkdir(parents=True)
    (folder / "api" / "dockup.db").write_bytes(SECRET)
    (folder / "state.json").write_bytes(b"{}")
    fields = {"format": FORMAT, "version": "1", "schema": "1", "instance": "i", "created_at": "now", "parts": archive.fingerprints(folder)}
    (folder / MANIFEST).write_bytes(msgspec.json.encode(Manifest(**{**fields, **changed})))  # type: ignore[arg-type]
    archive.write(folder, tmp_path / "b.age", identity.to_public())
    return tmp_path / "b.age"


def test_what_goes_in_comes_out(sealed: Path, identity: pyrage.x25519.Identity, tmp_path: Path) -> None:
    manifest = archive.read(sealed, tmp_path / "out", identity)
    assert sorted(manifest.parts) == ["api/dockup.db", "state.json"]
    assert (tmp_path / "out" / "api" / "dockup.db").read_bytes() == SECRET
    assert SECRET[:40] not in sealed.read_bytes()
    assert sealed.stat().st_mode & 0o777 == 0o600


def test_another_key_opens_nothing(sealed: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be opened with this key"):
        archive.read(sealed, tmp_path / "out", pyrage.x25519.Identity.generate())


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_is_refused(keep: float, sealed: Path, identity: pyrage.x25519.Identity, tmp_path: Path) -> None:
    data = sealed.read_bytes()
    sealed.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(Problem):
        archive.read(sealed, tmp_path / "out", identity)


def test_a_bit_that_flipped_is_noticed(sealed: Path, identity: pyrage.x25519.Identity, tmp_path: Path) -> None:
    data = bytearray(sealed.read_bytes())
    data[-100] ^= 1
    sealed.write_bytes(data)
    with pytest.raises(Problem):
        archive.read(sealed, tmp_path / "out", identity)


def test_a_part_that_the_manifest_does_not_know_is_refused(tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    with pytest.raises(Problem, match=r"damaged: api/dockup\.db, state\.json"):
        archive.read(seal(tmp_path, identity, parts={"api/dockup.db": "0"}), tmp_path / "out", identity)


def test_a_newer_format_is_left_to_a_newer_dockup(tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    with pytest.raises(Problem, match="newer Dockup"):
        archive.read(seal(tmp_path, identity, format=FORMAT + 1), tmp_path / "out", identity)


def test_what_a_killed_backup_began_is_swept(tmp_path: Path) -> None:
    kept = [tmp_path / "dockup-1Z.age", tmp_path / f".dockup-2Z.age.{os.getpid()}", tmp_path / ".mine.age.4194305"]
    for path in (*kept, tmp_path / ".dockup-2Z.age.4194305"):
        path.touch()
    archive.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_images_without_room_are_refused_before_the_disk_is_full(tmp_path: Path) -> None:
    images.refuse_without_room(tmp_path, 0)
    with pytest.raises(Problem, match="--no-images"):
        images.refuse_without_room(tmp_path, shutil.disk_usage(tmp_path).free)


def test_the_key_is_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, secret = keys.recipient(Home(tmp_path))
    again, nothing = keys.recipient(Home(tmp_path))
    assert nothing is None
    assert str(first) == str(again)
    assert secret
    assert secret not in (tmp_path / "backup.recipient").read_text(encoding="ascii")
    monkeypatch.setenv(keys.SETTING, secret)
    assert str(keys.identity(None).to_public()) == str(first)
    monkeypatch.delenv(keys.SETTING)
    with pytest.raises(Problem, match="DOCKUP_BACKUP_KEY"):
        keys.identity(None)
