"""compose/guard, beside a real HAProxy: what it starts again, and in which order it ends."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.ports import free_port

GUARD = Path(__file__).parents[3] / "compose" / "guard"
HAPROXY = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") or "haproxy"
# In place of the router: notes that it started, with its process id, and that it was told to end.
ROUTER = 'echo "started $$" >>"$0"; trap \'echo "told" >>"$0"; exit 0\' TERM; while :; do sleep 0.05; done'


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


class Container:
    """What the router's container holds, without the container."""

    def __init__(self, folder: Path) -> None:
        (folder / "router").mkdir()
        self._pid_file = folder / "router" / "haproxy.pid"
        self._notes = folder / "notes"
        self._environ = {**os.environ, "DOCKUP_HOME": str(folder)}
        self.guard = subprocess.Popen([GUARD, "sh", "-c", ROUTER, str(self._notes)], env=self._environ, start_new_session=True)
        self.port = free_port()
        self._config = folder / "haproxy.cfg"
        self._config.write_text(
            f"defaults\n mode http\n timeout client 9s\nfrontend f\n bind 127.0.0.1:{self.port}\n http-request return status 200\n"
        )

    def start_proxy(self) -> None:
        subprocess.run([HAPROXY, "-W", "-D", "-f", str(self._config), "-p", str(self._pid_file)], check=True)
        until(self.serves)

    def serves(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def notes(self) -> list[str]:
        return self._notes.read_text(encoding="ascii").splitlines() if self._notes.exists() else []

    def destroy(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.guard.pid, signal.SIGKILL)
        self.guard.wait()
        if self._pid_file.exists() and self.serves():
            os.kill(int(self._pid_file.read_text(encoding="ascii")), signal.SIGTERM)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    container = Container(tmp_path)
    until(container.notes)
    yield container
    container.destroy()


def test_a_router_that_is_killed_is_started_again_and_the_proxy_stays(container: Container) -> None:
    container.start_proxy()
    os.kill(int(container.notes()[0].removeprefix("started ")), signal.SIGKILL)
    until(lambda: len(container.notes()) == 2)
    assert container.serves()
    assert container.guard.poll() is None


def test_at_a_stop_the_router_ends_and_then_the_proxy(container: Container) -> None:
    container.start_proxy()
    container.guard.terminate()
    assert container.guard.wait(15) == 0
    assert container.notes()[1:] == ["told"]
    assert not container.serves()


def test_without_a_proxy_a_stop_is_just_a_stop(container: Container) -> None:
    container.guard.terminate()
    assert container.guard.wait(15) == 0


def test_a_wrong_setting_is_not_tried_again() -> None:
    assert subprocess.run([GUARD, "sh", "-c", "exit 2"], check=False, timeout=15).returncode == 2
