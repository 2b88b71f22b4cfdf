"""Yesterday's database while today's containers run: both ways out, on all the real parts."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import images
from tests.stack import Stack, eventually

pytestmark = pytest.mark.long


class Yesterday:
    """A stack whose database can be put back to what it was at `keep`."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._kept = stack.home.root / "kept"

    def keep(self) -> None:
        self.stack.down()
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self._database, self._kept)
        self.stack.up()

    def put_back(self, *, wipe_bus: bool) -> None:
        self.stack.down()
        shutil.rmtree(self._database)
        shutil.copytree(self._kept, self._database)
        if wipe_bus:
            shutil.rmtree(self.stack.home.nats_store)
        self.stack.cli("up", "--detach", check=False)

    @property
    def _database(self) -> Path:
        return self.stack.home.root / "api"


@pytest.fixture(scope="module")
def yesterday() -> Iterator[Yesterday]:
    stack = Stack()
    try:
        stack.up()
        yield Yesterday(stack)
    finally:
        stack.destroy()


@pytest.fixture
async def client(yesterday: Yesterday) -> AsyncIterator[httpx.AsyncClient]:
    async with yesterday.stack.direct_client() as client:
        yield client


async def deploy(client: httpx.AsyncClient, slug: str, version: str, processes: dict[str, Any] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "create": True,
        "project": "recovery",
        "image": images.bare(),
        "command": ["/web", "serve"],
        "internal_port": 8080,
        "drain_seconds": 0,
        "env": {"VERSION": version},
        **({"processes": processes} if processes else {}),
    }
    answer = await client.post(f"/deploy/{slug}", params={"wait": 60}, json=body)
    assert answer.status_code == 200, answer.text
    deployment: dict[str, Any] = answer.json()
    return deployment


def runs(stack: Stack, app_id: str) -> set[tuple[str, str]]:
    """Containers of an app, with their releases."""
    return {(one["Id"], one["Labels"]["dockup.release"]) for one in stack.leftovers().containers(app_id)}


async def serves(stack: Stack, slug: str, version: str) -> None:
    async def look() -> bool:
        async with stack.app_client(slug) as browser:
            answer = await browser.get("/version")
        return (answer.status_code, answer.text.strip()) == (200, version)

    await eventually(look, 30, what=f"{slug} {version}")


async def is_closed(client: httpx.AsyncClient) -> bool:
    answer = await client.post("/projects", json={"name": "not now"})
    return answer.status_code == 503 and answer.json()["code"] == "recovery_needed"


async def test_both_ways_out(yesterday: Yesterday, client: httpx.AsyncClient) -> None:
    stack = yesterday.stack
    first = await deploy(client, "grown", "one")
    yesterday.keep()
    await deploy(client, "grown", "two")
    made = await deploy(client, "made", "one")
    before = runs(stack, first["app_id"]) | runs(stack, made["app_id"])

    yesterday.put_back(wipe_bus=True)
    await eventually(lambda: is_closed(client), 60, what="recovery mode")
    await serves(stack, "grown", "two")
    assert "what runs is newer" in stack.cli("recover", check=False)
    assert runs(stack, first["app_id"]) | runs(stack, made["app_id"]) == before, "nothing was touched"
    stack.cli("recover", "--adopt")
    stack.wait_until_ok(60)
    app = (await client.get("/apps/grown")).json()
    assert app["env_keys"] == ["VERSION"]
    assert (await client.get("/apps/made")).json()["id"] == made["app_id"]
    settled = await client.post("/apps/grown/start", params={"wait": 30})
    assert settled.status_code == 200, settled.text
    assert runs(stack, first["app_id"]) | runs(stack, made["app_id"]) == before, "the same containers"
    assert (await deploy(client, "grown", "three"))["number"] == 3

    yesterday.put_back(wipe_bus=False)
    await eventually(lambda: is_closed(client), 60, what="recovery mode")
    stack.cli("recover", "--enforce")
    await serves(stack, "grown", "one")

    async def is_gone() -> bool:
        return not runs(stack, made["app_id"])

    await eventually(is_gone, 60, what="the end of what the database does not know")
    assert (await client.get("/apps/made")).status_code == 404
    assert (await deploy(client, "grown", "four"))["number"] == 4, "what ran was the third"


WORK = ["/bin/sh", "-c", "while :; do sleep 1; done"]
WORK_MORE = ["/bin/sh", "-c", "while :; do sleep 2; done"]


def by_process(stack: Stack, app_id: str) -> dict[str, set[tuple[str, str]]]:
    """Running containers of an app with their releases, by process."""
    found: dict[str, set[tuple[str, str]]] = {}
    for one in stack.leftovers().containers(app_id):
        if one["State"] == "running":
            found.setdefault(one["Labels"]["dockup.process"], set()).add((one["Id"], one["Labels"]["dockup.release"]))
    return found


async def test_both_ways_out_with_workers(yesterday: Yesterday, client: httpx.AsyncClient) -> None:
    """Yesterday: one worker. Since then it has another command, and there are two; and one app more has one."""
    stack = yesterday.stack
    first = await deploy(client, "team", "one", {"worker": {"command": WORK}})
    yesterday.keep()
    await deploy(client, "team", "two", {"worker": {"command": WORK_MORE, "replicas": 2, "memory_limit": 48}})
    made = await deploy(client, "crew", "one", {"worker": {"command": WORK}})
    ids = first["app_id"], made["app_id"]

    async def are(team: dict[str, list[str]]) -> bool:
        return {process: sorted(number for _, number in there) for process, there in by_process(stack, ids[0]).items()} == team

    await eventually(lambda: are({"web": ["2"], "worker": ["2", "2"]}), 60, what="two workers")
    before = [by_process(stack, app_id) for app_id in ids]

    yesterday.put_back(wipe_bus=True)
    await eventually(lambda: is_closed(client), 60, what="recovery mode")
    stack.cli("recover", "--adopt")
    stack.wait_until_ok(60)
    for slug in ("team", "crew"):
        (await client.post(f"/apps/{slug}/start", params={"wait": 60})).raise_for_status()
    assert [by_process(stack, app_id) for app_id in ids] == before, "the same containers"
    team = (await client.get("/apps/team")).json()
    assert team["processes"] == {"worker": {"command": WORK_MORE, "replicas": 2, "cpu_limit": None, "memory_limit": 48}}
    assert (team["pending_fields"], team["status"]) == ([], "running")
    await deploy(client, "team", "three")
    await eventually(lambda: are({"web": ["3"], "worker": ["3", "3"]}), 60, what="workers of the next release")

    yesterday.put_back(wipe_bus=False)
    await eventually(lambda: is_closed(client), 60, what="recovery mode")
    stack.cli("recover", "--enforce")
    await serves(stack, "team", "one")
    await eventually(lambda: are({"web": ["1"], "worker": ["1"]}), 60, what="the worker of the database")

    async def is_gone() -> bool:
        return not stack.leftovers().containers(ids[1])

    await eventually(is_gone, 60, what="the end of what the database does not know")
