"""The unit that `install` writes: systemd reads back what was meant, whatever is in the paths."""

import shutil
import subprocess
from pathlib import Path

import pytest

from libs.supervisor.unit import text


def test_odd_paths_are_one_word() -> None:
    unit = text(Path('/srv/my "50%" state'), Path("/opt/$dock up/dockup"))
    assert r'Environment="DOCKUP_HOME=/srv/my \"50%%\" state"' in unit
    assert 'ExecStart="/opt/$$dock up/dockup" up' in unit


def test_an_ordinary_users_stays_that_users() -> None:
    assert "\nUser=" not in text(Path("/state"), Path("/opt/dockup/dockup"))
    assert "\nUser=ann\nEnvironment=" in text(Path("/state"), Path("/opt/dockup/dockup"), "ann")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze comes with systemd")
def test_systemd_accepts_it(tmp_path: Path) -> None:
    folder = "50% off, with a space"
    launcher = tmp_path / folder / "dockup"
    launcher.parent.mkdir()
    launcher.write_text("#!/bin/sh\n")
    launcher.chmod(0o755)
    unit = tmp_path / "dockup.service"
    unit.write_text(text(tmp_path / folder, launcher))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    # Units of the machine itself may have faults of their own: only what is said of ours counts.
    assert [line for line in done.stderr.splitlines() if "dockup" in line] == []
