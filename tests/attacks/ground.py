"""What is attacked: the API over HTTP with a live app in it, in a thread of its own, because the attacks are synchronous."""

import asyncio
import copy
import threading
from pathlib import Path
from typing import Any

import httpx

from libs.common.messages.builder import RegistryChecked
from libs.common.messages.runtime import Inventory, LogsAnswer
from tests.servers.api import ApiServer, World

Json = dict[str, Any]
_START_SECONDS = 60
_MOST_WAIT = 1
"""Seconds: an attacker's `wait` is not what is tested."""


class Ground:
    """`url` and `key` of an API that serves until `stop`; `ids` are things in it, by the names of path parameters."""

    def __init__(self, home: Path, nats_url: str, database_url: str) -> None:
        self._arguments = (home, nats_url, database_url)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = ""
        self.key = ""
        self.ids: dict[str, list[str]] = {}

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(_START_SECONDS), "the API did not start"
        if self._error:
            raise self._error

    def stop(self) -> None:
        if self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_START_SECONDS)

    def document(self) -> Json:
        """The API's own OpenAPI document, narrowed so that half of all tries meet something that is there, and none waits long."""
        document: Json = copy.deepcopy(httpx.get(f"{self.url}/api/v1/openapi.json").raise_for_status().json())
        for item in document["paths"].values():
            for operation in item.values():
                for parameter in operation["parameters"]:
                    self._narrow(parameter)
        return document

    def _narrow(self, parameter: Json) -> None:
        if parameter["name"] in self.ids and parameter["in"] == "path":
            parameter["schema"] = {"anyOf": [{"enum": self.ids[parameter["name"]]}, parameter["schema"]]}
        elif parameter["name"] == "wait":
            parameter["schema"]["maximum"] = _MOST_WAIT

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as error:  # noqa: BLE001 - `start` raises it
            self._error = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _live(self) -> None:
        self._over = asyncio.Event()
        home, nats_url, database_url = self._arguments
        server, world = ApiServer(home, nats_url, database_url), World(nats_url)
        await server.start()
        await world.start()
        try:
            await world.runtime.serve("logs", _no_logs)
            await world.runtime.serve("inventory", _no_inventory)
            await world.builder.serve("registry_check", _refused)
            await self._furnish(server, world)
            self.url = server.url
            self.key = server.client.headers["authorization"]
            self._ready.set()
            await self._over.wait()
        finally:
            await world.stop()
            await server.stop()

    async def _furnish(self, server: ApiServer, world: World) -> None:
        made = _made(server.client)
        user = await made("/users", email="ada@example.com", role="member")
        project = await made("/projects", name="Attacked")
        apps = [await made(f"/projects/{project['id']}/apps", name=name, slug=name, image="nginx:alpine") for name in ("one", "two")]
        key = await made("/api-keys", name="spare", scopes=["read"])
        registry = await made("/registries", name="spare", server="ghcr.io", username="ada", password="spare-secret")
        deployment = (await server.client.post("/apps/one/deploy")).raise_for_status().json()
        await world.command(apps[0]["id"])
        await world.bring_live(deployment)
        self.ids = {
            "app": ["one", "two", apps[0]["id"]],
            "slug": ["one", "two"],
            "project_id": [project["id"]],
            "user_id": [user["id"]],
            "key_id": [key["id"]],
            "registry_id": [registry["id"]],
            "deployment_id": [deployment["id"]],
        }


def _made(client: httpx.AsyncClient) -> Any:
    async def made(path: str, **body: Any) -> Json:
        answer: Json = (await client.post(path, json=body)).raise_for_status().json()
        return answer

    return made


async def _no_logs(_query: bytes) -> LogsAnswer:
    return LogsAnswer(items=())


async def _refused(_query: bytes) -> RegistryChecked:
    return RegistryChecked(code="registry_auth_failed", detail="ghcr.io refused the login.")


async def _no_inventory(_query: bytes) -> Inventory:
    return Inventory(apps=())
