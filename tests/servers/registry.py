"""A private registry: Debian's docker-registry on 127.0.0.1, which the engine takes without TLS."""

import json
import socket
from pathlib import Path

import httpx

from tests import images
from tests.servers.ports import free_port
from tests.servers.process import Process
from tests.servers.token import TokenServer

USER, PASSWORD = "somebody", "secret"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


class RegistryServer:
    """`host` is `127.0.0.1:PORT`. With `private` it wants USER and PASSWORD; with `tokens` it has that server ask for them."""

    def __init__(self, folder: Path, *, private: bool = False, tokens: TokenServer | None = None) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._auth = {"username": USER, "password": PASSWORD} if private or tokens else None
        config: dict[str, object] = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
            "http": {"addr": self.host},
        }
        if private:
            (folder / "htpasswd").write_text(_HTPASSWD, encoding="ascii")
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
        if tokens:
            config["auth"] = tokens.config
        path = folder / "registry.yml"
        # JSON is YAML.
        path.write_text(json.dumps(config), encoding="utf-8")
        self._process = Process(["docker-registry", "serve", str(path)], folder / "registry.log")

    def start(self) -> None:
        self._process.start(self._answers)

    def stop(self) -> None:
        self._process.kill()

    def push(self, reference: str, name: str, tag: str = "1") -> str:
        """Push an image of the engine, take its new name away again, and return that name."""
        repository = f"{self.host}/{name}"
        engine = images.client()
        engine.tag(reference, repository, tag)
        try:
            for line in engine.push(repository, tag, stream=True, decode=True, auth_config=self._auth):
                assert "error" not in line, line
        finally:
            engine.remove_image(f"{repository}:{tag}")
        return f"{repository}:{tag}"

    def digest(self, name: str, tag: str = "1") -> str:
        """Of what was pushed as that."""
        login = (self._auth["username"], self._auth["password"]) if self._auth else None
        kind = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        answer = httpx.head(f"http://{self.host}/v2/{name}/manifests/{tag}", auth=login, headers=kind).raise_for_status()
        return str(answer.headers["Docker-Content-Digest"])

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
