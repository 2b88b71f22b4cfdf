"""The folder of a volume's backups: what is kept, and what a killed process left."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from services.api.http.problems import Problem
from services.api.volumes.backups import clear, content, listed, prune

NAMES = [f"2026112{day}T000000000000Z.tar.gz" for day in range(5)]


def test_the_newest_are_kept_and_parts_of_nobody_go(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(b"1")
    left, young, locked = (tmp_path / f".{name}.part" for name in NAMES[:3])
    for part in (left, young, locked, tmp_path / "notes"):
        part.touch()
    for part in (left, locked):
        os.utime(part, (time.time() - 60,) * 2)
    with locked.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        clear(tmp_path)
        prune(tmp_path, 2)
        assert (left.exists(), young.exists(), locked.exists(), (tmp_path / "notes").exists()) == (False, True, True, True)
    clear(tmp_path)
    assert not locked.exists()
    assert [one.name for one in listed(tmp_path)] == NAMES[:2:-1]
    clear(tmp_path / "none")


async def test_one_that_is_gone_meanwhile_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="backup"):
        await anext(content(tmp_path / NAMES[0]))
