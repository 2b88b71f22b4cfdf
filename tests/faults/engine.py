"""A Docker Engine of the test's own, to be killed, stopped and frozen. It leaves the machine's network and firewall alone."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import docker
import docker.errors

from tests import images

_START_SECONDS = 60.0
_BRIDGE = "10.249.255.1/28"
_STOP_SECONDS = 40.0
_ALONE = ("--iptables=false", "--ip-masq=false", "--ip-forward=false")
_CONTAINERD = """version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
root = "{0}/containerd"
state = "{0}/containerd-state"
[grpc]
  address = "{0}/containerd.sock"
"""


class OwnEngine:
    """Data and sockets in a folder of its own, and a containerd that outlives it, as a distribution has it. Needs root.

    `disk`: the size of a disk of its own for its data, as mount(8) has it; `options` are for dockerd, which `prefix` starts.
    """

    def __init__(self, disk: str = "", options: Sequence[str] = (), prefix: Sequence[str] = ()) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="dke-", dir="/tmp"))
        self._containerd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._options, self._prefix = options, prefix
        self.url = f"unix://{self._root}/sock"
        # A bridge of its own: without any, an engine takes away the machine's docker0.
        self._bridge = f"dke{os.getpid()}"
        if disk:
            (self._root / "data").mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "dockup-test", self._root / "data"], check=True)

    @staticmethod
    def is_possible() -> bool:
        return os.geteuid() == 0 and all(shutil.which(name) for name in ("dockerd", "containerd"))

    def start(self) -> None:
        """Return when it answers."""
        socket = self._root / "containerd.sock"
        if self._containerd is None:
            config = self._root / "containerd.toml"
            config.write_text(_CONTAINERD.format(self._root), encoding="ascii")
            self._containerd = self._run("containerd", "--config", str(config))
            self._wait(self._containerd, socket.exists)
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid", "containerd": socket.name}
        named = (f"--{name}={self._root / place}" for name, place in places.items())
        self._make_bridge()
        self._process = self._run(*self._prefix, "dockerd", "--host", self.url, f"--bridge={self._bridge}", *_ALONE, *named, *self._options)
        self._wait(self._process, self._answers)

    def _make_bridge(self) -> None:
        if Path(f"/sys/class/net/{self._bridge}").exists():
            return
        for words in (("link", "add", self._bridge, "type", "bridge"), ("addr", "add", _BRIDGE, "dev", self._bridge)):
            subprocess.run(["ip", *words], check=True, capture_output=True)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._root / "log").open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _wait(self, process: subprocess.Popen[bytes], is_there: Callable[[], bool]) -> None:
        until = time.monotonic() + _START_SECONDS
        while not is_there():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the engine did not start:\n{self._last_words()}")
            time.sleep(0.05)

    def client(self) -> docker.APIClient:
        return docker.APIClient(self.url, version="auto")

    def take(self, *references: str) -> None:
        """Copy images from the machine's engine."""
        stream = subprocess.run(["docker", "save", *references], check=True, capture_output=True).stdout
        subprocess.run(["docker", "-H", self.url, "load"], check=True, capture_output=True, input=stream)

    def kill(self) -> None:
        """As if it had crashed: its containers run on until it is there again."""
        _end(self._process, signal.SIGKILL)

    def stop(self) -> None:
        """As a restart of the service does: its containers end with it."""
        _end(self._process, signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def destroy(self) -> None:
        self.send(signal.SIGCONT)
        with contextlib.suppress(OSError, docker.errors.DockerException):
            for container in self.client().containers(all=True):
                self.client().remove_container(container["Id"], force=True)
            for network in self.client().networks(filters={"type": "custom"}):
                self.client().remove_network(network["Id"])
        self.stop()
        _end(self._containerd, signal.SIGTERM)
        subprocess.run(["ip", "link", "del", self._bridge], check=False, capture_output=True)
        mounts = (line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
        for path in sorted((path for path in mounts if path.startswith(f"{self._root}/")), reverse=True):
            subprocess.run(["umount", "--lazy", path], check=False, capture_output=True)
        shutil.rmtree(self._root, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except (OSError, docker.errors.DockerException):
            return False

    def _last_words(self) -> str:
        return "\n".join((self._root / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def _end(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is None:
        return
    process.send_signal(number)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def with_images(disk: str = "") -> OwnEngine:
    """One that runs and has the images that the load deploys."""
    engine = OwnEngine(disk)
    try:
        engine.start()
        engine.take(images.web(), images.slow_start(), images.exits())
    except BaseException:
        engine.destroy()
        raise
    return engine
