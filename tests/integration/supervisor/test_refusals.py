"""What stops `dockup up` before anything runs: one plain sentence that names the setting, and exit status 1."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from libs.supervisor.home import Home
from tests.integration.supervisor.small import fill, small_disk

ROOT = Path(__file__).parents[3]


def dockup(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    plain = {name: text for name, text in os.environ.items() if not name.startswith("DOCKUP_")}
    command = [sys.executable, "-P", "-m", "libs.cli", *arguments]
    return subprocess.run(command, env={**plain, **settings}, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def ports() -> dict[str, str]:
    """Settings with ports that are free; what runs beside the tests has the usual ones."""
    with socket.socket() as http, socket.socket() as https:
        http.bind(("", 0))
        https.bind(("", 0))
        return {"DOCKUP_HTTP_PORT": str(http.getsockname()[1]), "DOCKUP_HTTPS_PORT": str(https.getsockname()[1])}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("DOCKUP_HTTPS_PORT", "443443", "DOCKUP_HTTPS_PORT: is '443443'"),
        ("DOCKUP_TLS", "sometimes", "DOCKUP_TLS: is 'sometimes'"),
        ("DOCKUP_WORKERS", "0", "DOCKUP_WORKERS: is '0'"),
        ("DOCKUP_REGISTRATION", "ask", "DOCKUP_REGISTRATION: is 'ask'"),
        ("DOCKUP_DOCKER_HOST", "unix:///nowhere.sock", "no Docker Engine answers at DOCKUP_DOCKER_HOST"),
    ],
)
def test_a_wrong_setting(tmp_path: Path, ports: dict[str, str], name: str, text: str, words: str) -> None:
    done = dockup("up", "--detach", **{**ports, "DOCKUP_HOME": str(tmp_path), name: text})
    assert done.returncode == 1
    assert f"dockup: {words}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "run").glob("*.pid"))


def test_a_port_that_is_taken(tmp_path: Path, ports: dict[str, str]) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", int(ports["DOCKUP_HTTP_PORT"])))
        other.listen(1)
        done = dockup("up", "--detach", **ports, DOCKUP_HOME=str(tmp_path))
    assert done.returncode == 1
    assert f"DOCKUP_HTTP_PORT: port {ports['DOCKUP_HTTP_PORT']} is taken by " in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr


def test_a_relative_home() -> None:
    done = dockup("up", DOCKUP_HOME="state")
    assert (done.returncode, done.stderr) == (1, "dockup: DOCKUP_HOME: is 'state'; it takes an absolute path\n")


def test_a_home_that_cannot_be_written() -> None:
    done = dockup("up", DOCKUP_HOME="/proc/dockup")
    assert done.returncode == 1
    assert "DOCKUP_HOME: cannot write to /proc/dockup" in done.stderr


def test_a_full_disk(tmp_path: Path) -> None:
    """A file system of 64 KB stands for a disk that has run full."""
    small = tmp_path / "small"
    with small_disk(small, "64k"):
        done = dockup("up", DOCKUP_HOME=str(small))
    assert done.returncode == 1
    assert "DOCKUP_HOME: 0 MB are free" in done.stderr


def test_a_supervisor_that_comes_back_takes_a_full_disk(tmp_path: Path) -> None:
    """It has everything that it needs: what stops this one is what its state lacks, not the disk."""
    home = Home(tmp_path / "small")
    with small_disk(home.root, "64k"):
        home.make()
        home.load()
        home.pid_file("supervisor").write_text("of the one before")
        fill(home.root)
        environ = {**os.environ, "DOCKUP_HOME": str(home.root)}
        command = [sys.executable, "-P", "-m", "libs.supervisor"]
        done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "dockup: DOCKUP_HOME: no ports are chosen yet; start with `dockup up`\n")


def test_a_setting_that_nothing_reads_is_said(tmp_path: Path) -> None:
    done = dockup("up", DOCKUP_HOME=str(tmp_path), DOCKUP_HTPS_PORT="1", DOCKUP_DOCKER_HOST="unix:///nowhere.sock")
    assert "note: DOCKUP_HTPS_PORT is not a setting; did you mean DOCKUP_HTTPS_PORT?" in done.stdout


def test_install_keeps_no_setting_that_would_stop_the_next_start(tmp_path: Path) -> None:
    done = dockup("install", DOCKUP_HOME=str(tmp_path), DOCKUP_HTTPS_PORT="443443")
    assert done.returncode == 1
    assert "dockup: DOCKUP_HTTPS_PORT: is '443443'" in done.stderr
    assert not (tmp_path / "dockup.env").exists()


def test_down_and_status_without_anything(tmp_path: Path) -> None:
    assert dockup("down", DOCKUP_HOME=str(tmp_path)).returncode == 0
    done = dockup("status", DOCKUP_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "dockup up --detach" in done.stdout


def test_logs_of_nobody(tmp_path: Path) -> None:
    done = dockup("logs", "router", DOCKUP_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "dockup: there is no log of 'router'; there are: none yet\n")
    done = dockup("logs", "some-app", DOCKUP_HOME=str(tmp_path))
    assert done.returncode == 4
    assert done.stderr.startswith(f"dockup: It is not known which Dockup to ask: There is none in {tmp_path}")


def test_a_relative_home_of_a_verb_for_apps() -> None:
    done = dockup("apps", DOCKUP_HOME="state")
    assert done.returncode == 4
    assert "'state' is no absolute path" in done.stderr
