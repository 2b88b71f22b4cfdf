"""A restore over a state folder whose proxy serves on, and what one that was killed left there."""

import fcntl
import os
from pathlib import Path

import msgspec
import pyrage
import pytest

from libs.supervisor.backup import archive
from libs.supervisor.backup.parts import FORMAT, MANIFEST, STREAMS, Manifest
from libs.supervisor.backup.restore import restore
from libs.supervisor.backup.scratch import scratch
from libs.supervisor.home import Home


@pytest.fixture
def backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of an installation that has a state and a proxy's configuration, and nothing else."""
    identity = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("DOCKUP_BACKUP_KEY", str(identity))
    folder = tmp_path / "parts"
    for name in ("router", STREAMS):
        (folder / name).mkdir(parents=True)
    (folder / "router" / "haproxy.cfg").write_text("of the backup")
    (folder / "state.json").write_text("{}")
    parts = archive.fingerprints(folder)
    manifest = Manifest(format=FORMAT, version="1", schema="", instance="i", created_at="now", parts=parts)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    archive.write(folder, tmp_path / "b.age", identity.to_public())
    return tmp_path / "b.age"


def test_a_proxy_that_serves_on_is_still_known(tmp_path: Path, backup: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    home.load()
    home.haproxy_pid.write_text("42")
    (home.router / "master.sock").touch()
    (home.router / "haproxy.cfg").write_text("of now")
    restore(home, backup, None, print, replace=True)
    assert (home.router / "haproxy.cfg").read_text() == "of the backup"
    assert home.haproxy_pid.read_text() == "42"
    assert (home.router / "master.sock").exists()
    (aside,) = home.root.glob("before-restore-*")
    assert (aside / "router" / "haproxy.cfg").read_text() == "of now"


def test_into_nothing_leaves_nothing_beside_it(tmp_path: Path, backup: Path) -> None:
    home = Home(tmp_path / "home")
    restore(home, backup, None, print, replace=False)
    assert sorted(path.name for path in home.root.iterdir()) == ["nats", "router", "run", "state.json"]


def test_what_one_that_was_killed_left_goes_and_what_is_worked_on_stays(tmp_path: Path) -> None:
    left, taken = tmp_path / ".backup-left", tmp_path / ".backup-taken"
    for folder in (left, taken):
        folder.mkdir()
        (folder / "image.tar").write_text("large")
    lock = os.open(taken, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with scratch(Home(tmp_path), "backup") as first, scratch(Home(tmp_path), "backup") as second:
            assert sorted(tmp_path.iterdir()) == sorted([taken, first, second])
    finally:
        os.close(lock)
    assert list(tmp_path.iterdir()) == [taken]
