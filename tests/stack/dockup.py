"""The stack: `dockup up --detach` in a folder and on ports of its own, and hands to break it with."""

import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import docker
import httpx
import msgspec

from libs.supervisor import process
from libs.supervisor.home import Home, Ports
from libs.supervisor.process import Process
from tests.servers.ports import free_port, free_ports
from tests.stack.clients import browser
from tests.stack.leftovers import Leftovers, known_apps

ROOT = Path(__file__).parents[2]
PASSWORD = "a password of a test stack"
_UP_SECONDS = 150
_DOWN_SECONDS = 90
_SAMPLE_LINES = 15


class StackError(RuntimeError):
    """The stack did not do as told; the message carries what it printed and the ends of its logs."""


class Stack:
    """One installation. Settings are given as they are named, without the prefix: `Stack(sync_seconds="2")`.

    Its folder is removed with it, unless DOCKUP_TEST_KEEP is set; it never touches another installation's objects.
    """

    def __init__(self, **settings: str) -> None:
        self.home = Home(Path(tempfile.mkdtemp(prefix="dk-", dir="/tmp")))
        self.http_port, self.https_port, self.api_port = free_ports(3)
        self._docker_host = settings.get("docker_host")
        self.environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith("DOCKUP_")},
            "DOCKUP_HOME": str(self.home.root),
            "DOCKUP_HTTP_PORT": str(self.http_port),
            "DOCKUP_HTTPS_PORT": str(self.https_port),
            "DOCKUP_API_PORT": str(self.api_port),
            "DOCKUP_BIND": "127.0.0.1",
            "DOCKUP_ADMIN_EMAIL": "admin@example.com",
            "DOCKUP_ADMIN_PASSWORD": PASSWORD,
            "DOCKUP_NETWORK_POOL": _pool(),
            **{f"DOCKUP_{name.upper()}": text for name, text in settings.items()},
        }

    # ---- its life

    def cli(self, *arguments: str, timeout: float = _UP_SECONDS, check: bool = True) -> str:
        """Run the `dockup` command in this stack and return what it printed; `StackError` when it fails, unless that is no matter."""
        done = subprocess.run(
            self.command(*arguments),
            check=False,
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise StackError(f"dockup {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.last_words()}")
        return done.stdout

    def command(self, *arguments: str) -> list[str]:
        """The `dockup` command of this tree, for `environ`."""
        return [sys.executable, "-P", "-m", "libs.cli", *arguments]

    def up(self) -> None:
        """Return when the status is ok."""
        if not self.home.state_file.exists():
            self.choose_nats_port()
        self.cli("up", "--detach")

    def choose_nats_port(self) -> None:
        """As if it had been chosen before: stacks that start side by side would take the same, the first of the usual ones."""
        self.home.prepare()
        nats = free_port()
        ports = Ports(http=self.http_port, https=self.https_port, api=self.api_port, nats=nats)
        self.home.keep(msgspec.structs.replace(self.home.load(), ports=ports))

    def down(self, *, everything: bool = False) -> None:
        self.cli("down", *(["--all"] if everything else []), timeout=_DOWN_SECONDS)

    def destroy(self) -> None:
        """End it and remove all that it made, whatever state it is in."""
        try:
            self.down(everything=True)
        finally:
            for name in ("guard", "supervisor", "api", "builder", "runtime", "metrics", "router", "redis", "nats", "haproxy"):
                if found := self.find(name):
                    process.tell(found, signal.SIGKILL)
            self.leftovers().remove(known_apps(self.home.root))
            if not os.environ.get("DOCKUP_TEST_KEEP"):
                shutil.rmtree(self.home.root, ignore_errors=True)

    def last_words(self) -> str:
        """The end of each log, for the report of a failure."""
        ends = {path.name: path.read_text(encoding="utf-8", errors="replace").splitlines() for path in self.home.logs.glob("*.log")}
        return "".join(f"\n--- {name}\n" + "\n".join(lines[-_SAMPLE_LINES:]) for name, lines in sorted(ends.items()))

    # ---- what it is

    @property
    def instance(self) -> str:
        return self.home.load().instance

    @property
    def credentials(self) -> dict[str, str]:
        """`url`, `email`, `password`, `api_key` of the first admin."""
        found: dict[str, str] = json.loads(self.home.credentials.read_bytes())
        return found

    def leftovers(self) -> Leftovers:
        """What it has on its engine now."""
        return Leftovers(self.instance, docker.APIClient(self._docker_host, version="auto") if self._docker_host else None)

    # ---- talking to it

    def trust(self) -> ssl.SSLContext:
        """Trusts this stack's certificates and no others."""
        return ssl.create_default_context(cafile=str(self.home.root_certificate))

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https_port}"

    def host(self, slug: str) -> str:
        return f"{slug}-app.localhost"

    def app_url(self, slug: str) -> str:
        return f"https://{self.host(slug)}:{self.https_port}"

    def browser(self) -> httpx.AsyncClient:
        """A client for any address of this stack, certificates verified, without a token."""
        return browser(self.home.root_certificate)

    def app_client(self, slug: str) -> httpx.AsyncClient:
        return browser(self.home.root_certificate, self.app_url(slug))

    def client(self) -> httpx.AsyncClient:
        """The API with the first admin's key, through the proxy, as users have it."""
        return browser(self.home.root_certificate, f"{self.url}/api/v1", self._authorization())

    def direct_client(self) -> httpx.AsyncClient:
        """The API on its loopback port: it answers while the proxy is away."""
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.api_port}/api/v1", headers=self._authorization(), timeout=120.0)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credentials['api_key']}"}

    def status(self) -> dict[str, Any] | None:
        """`GET /system/status`, or None when the API does not answer."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.api_port}/api/v1/system/status", timeout=5.0)
        except httpx.TransportError:
            return None
        found: dict[str, Any] = answer.json()
        return found if answer.is_success else None

    def wait_until_ok(self, seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while (seen := self.status()) is None or seen["status"] != "ok":
            if time.monotonic() > until:
                raise StackError(f"not ok after {seconds:.0f} s: {seen}{self.last_words()}")
            time.sleep(0.1)

    # ---- breaking it

    def find(self, name: str) -> Process | None:
        """A process of the stack: a service, `nats`, `redis`, `haproxy`, `supervisor` or `guard`."""
        if name == "haproxy":
            return process.foreign(self.home.haproxy_pid, "haproxy")
        return process.running(self.home.pid_file(name))

    def pid(self, name: str) -> int:
        found = self.find(name)
        if found is None:
            raise StackError(f"{name} does not run{self.last_words()}")
        return found.pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one process; return its pid. HAProxy's workers go with their master."""
        pid = self.pid(name)
        children = _children(pid) if name == "haproxy" else []
        for each in (pid, *children):
            os.kill(each, number)
        return pid

    def wait_for_another(self, name: str, pid: int, seconds: float = 30.0) -> int:
        """Wait until `name` runs under another pid than `pid`, and return it."""
        until = time.monotonic() + seconds
        while (found := self.find(name)) is None or found.pid == pid:
            if time.monotonic() > until:
                raise StackError(f"{name} was not started again in {seconds:.0f} s{self.last_words()}")
            time.sleep(0.02)
        return found.pid


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _pool() -> str:
    """64 networks of /26, at random in a range that the default pool is not in: stacks side by side seldom meet, and Dockup copes when."""
    return f"10.{random.randrange(128, 192)}.{random.randrange(16) * 16}.0/20"  # noqa: S311 - no secret
