"""The `dockup` file itself: what it hands over to the command line."""

import os
import shutil
import subprocess
from pathlib import Path

LAUNCHER = Path(__file__).parents[3] / "dockup"


def test_bytecode_is_kept_whatever_the_machine_says(tmp_path: Path) -> None:
    launcher, python = tmp_path / "dockup", tmp_path / ".venv" / "bin" / "python"
    shutil.copy(LAUNCHER, launcher)
    lock = tmp_path / "uv.lock"
    lock.write_text("a lock", encoding="ascii")
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@" "${PYTHONDONTWRITEBYTECODE-kept}"\n', encoding="ascii")
    python.chmod(0o755)
    with lock.open() as content:
        summed = subprocess.run(["cksum"], stdin=content, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / ".venv" / ".dockup-stamp").write_text(f"{summed} {python.resolve()} run", encoding="ascii")
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([launcher, "version"], env=environ, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "-P -m libs.cli version kept\n", done
