"""A database that was put back from a backup: noticed, nothing is written, and the two ways out."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from libs.common import clock, subjects
from libs.common.bucket import Bucket
from libs.common.messages.api import Desired
from libs.common.messages.archives import Restored
from libs.common.messages.runtime import AppAhead, Inventory, StrayFound
from libs.common.states import Intent
from services.api.apps.models import AppRow
from services.api.domains import service as domains
from services.api.domains import upkeep
from services.api.domains.dns import Found
from services.api.domains.models import DomainRow
from services.api.domains.schemas import Dns
from services.api.domains.service import Look
from services.api.volumes.models import VolumeRow
from services.api.volumes.restoring import begin, swap
from tests.integration.api.faults.conftest import bring_live, make, until
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer


class Runs:
    """The runtime's inventory, as a test wants it."""

    def __init__(self) -> None:
        self.apps: tuple[Desired, ...] = ()

    async def answer(self, _body: bytes) -> Inventory:
        return Inventory(apps=self.apps)


@pytest.fixture
async def world(nats_server: NatsServer) -> AsyncIterator[World]:
    world = World(nats_server.url)
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
async def runs(world: World) -> Runs:
    runs = Runs()
    await world.runtime.serve("inventory", runs.answer)
    return runs


class Place:
    """One API whose SQLite file can be copied away and put back."""

    def __init__(self, home: Path, nats: NatsServer) -> None:
        self._file = home / "api" / "dockup.db"
        self._kept = home / "kept"
        self._make = lambda: ApiServer(home, nats.url, f"sqlite+aiosqlite:///{self._file}", secret_key=self.api.settings.secret_key)
        self.api = ApiServer(home, nats.url, f"sqlite+aiosqlite:///{self._file}")

    async def again(self, *, put_back: bool = False) -> ApiServer:
        """Stop, copy the database away or put the copy back, and start."""
        await self.api.stop()
        here, there = (self._kept, self._file.parent) if put_back else (self._file.parent, self._kept)
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(here, there)
        self.api = self._make()
        await self.api.start()
        return self.api


@pytest.fixture
async def place(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[Place]:
    place = Place(tmp_path, nats_server)
    await place.api.start()
    yield place
    await place.api.stop()


async def deploy(api: ApiServer, world: World, slug: str) -> dict[str, Any]:
    deployment = await make(api, slug)
    await world.command(deployment["app_id"])
    await bring_live(api, world, deployment)
    return deployment


async def closed(api: ApiServer) -> bool:
    answer = await api.client.post("/projects", json={"name": "No"})
    return bool(answer.status_code == 503 and answer.json()["code"] == "recovery_needed")


async def put_back(place: Place, world: World) -> tuple[ApiServer, dict[str, dict[str, Any]]]:
    """Yesterday: `old` at release 1, and `went`. Since then: `old` at release 2, `new` made, `went` deleted; then yesterday's database."""
    await deploy(place.api, world, "old")
    went = await deploy(place.api, world, "went")
    api = await place.again()
    second = await deploy(api, world, "old")
    new = await deploy(api, world, "new")
    await api.client.delete("/apps/went")
    await world.desired_where(went["app_id"], lambda it: it.intent == Intent.DELETED)
    await world.removed(went["app_id"])

    async def forgotten() -> bool:
        return await world.desired(went["app_id"]) is None

    await until(forgotten)
    api = await place.again(put_back=True)
    await until(lambda: closed(api))
    return api, {"old": second, "new": new, "went": went}


async def test_what_runs_wins(place: Place, world: World, runs: Runs) -> None:
    api, made = await put_back(place, world)
    assert (await api.client.get("/apps/old")).status_code == 200, "reading goes on"
    seen = (await api.client.get("/system/recovery")).json()
    assert seen["needed"]
    assert {one["slug"]: one["kind"] for one in seen["apps"]} == {"old": "newer", "new": "unknown", "went": "missing"}
    answer = await api.client.post("/system/recovery", json={"mode": "adopt"})
    assert answer.status_code == 200, answer.text
    old = (await api.client.get("/apps/old")).json()
    assert old["current_deployment_id"] == made["old"]["id"]
    assert (await api.client.get("/apps/new")).json()["id"] == made["new"]["app_id"]
    assert (await api.client.get("/apps/went")).json()["status"] == "stopped"
    wish = await world.desired_where(old["id"], lambda it: it.current is not None and it.current.number == 2)
    assert wish.epoch == 1
    third = await deploy(api, world, "old")
    assert third["number"] == 3

    async def agree() -> bool:
        """What was held is said by the relay's next sweep."""
        return not (await api.client.get("/system/recovery")).json()["apps"]

    await until(agree)


async def test_the_database_wins(place: Place, world: World, runs: Runs) -> None:
    api, made = await put_back(place, world)
    answer = await api.client.post("/system/recovery", json={"mode": "enforce"})
    assert answer.status_code == 200, answer.text
    old = await world.desired_where(made["old"]["app_id"], lambda it: it.epoch == 2)
    assert old.current is not None
    assert old.current.number == 1
    await world.desired_where(made["went"]["app_id"], lambda it: it.epoch == 2 and it.intent == Intent.RUNNING)
    await world.desired_where(made["new"]["app_id"], lambda it: it.epoch == 2 and it.intent == Intent.DELETED)
    await world.removed(made["new"]["app_id"])

    async def gone() -> bool:
        return bool((await api.client.get(f"/apps/{made['new']['app_id']}")).status_code == 404)

    await until(gone)
    assert (await deploy(api, world, "old"))["number"] == 3, "containers of the second may drain still"


async def test_containers_that_are_newer_than_a_database_whose_bus_is_new(
    place: Place, world: World, runs: Runs, nats_server: NatsServer
) -> None:
    first = await deploy(place.api, world, "old")
    api = await place.again()
    app_id = first["app_id"]
    wish = await world.desired_where(app_id, lambda it: it.current is not None)
    assert wish.current is not None
    later = msgspec.structs.replace(wish, revision=wish.revision + 7, current=msgspec.structs.replace(wish.current, number=4), hosts=())
    event_id = f"{app_id}.ahead.1.{later.revision}"
    await world.runtime.say(AppAhead(event_id=event_id, at=clock.now(), app_id=app_id, epoch=1, revision=later.revision), app_id)
    await until(lambda: closed(api))
    assert (await api.client.get("/system/status")).json()["components"]["database"]["status"] == "degraded"
    runs.apps = (later,)
    assert (await api.client.post("/system/recovery", json={"mode": "adopt"})).status_code == 200
    await world.desired_where(app_id, lambda it: it.revision == later.revision + 1 and it.current.number == 4)
    again = await deploy(api, world, "old")
    assert again["number"] == 5


async def test_a_lost_database_is_made_from_what_runs(place: Place, world: World, runs: Runs) -> None:
    first = await deploy(place.api, world, "lost")
    wish = await world.desired_where(first["app_id"], lambda it: it.current is not None)
    await Bucket(world.runtime, subjects.DESIRED, Desired).delete(first["app_id"])
    runs.apps = (msgspec.structs.replace(wish, hosts=()),)
    stranger = msgspec.structs.replace(runs.apps[0], app_id="app_" + "7" * 32, project_id="prj_" + "7" * 32, slug="stranger")
    runs.apps = (stranger,)
    found = StrayFound(event_id="abc.stray", at=clock.now(), app_id=stranger.app_id, containers=("abc",))
    await world.runtime.say(found, stranger.app_id)
    await until(lambda: closed(place.api))
    assert (await place.api.client.post("/system/recovery", json={"mode": "adopt"})).status_code == 200
    app = (await place.api.client.get("/apps/stranger")).json()
    assert app["id"] == stranger.app_id
    assert app["project_id"] == stranger.project_id


async def with_data_since(place: Place, world: World) -> tuple[ApiServer, str, dict[str, Any]]:
    """Yesterday: a volume. Since then: its data was restored, and another came; then yesterday's database."""
    app_id = (await deploy(place.api, world, "old"))["app_id"]
    data = (await place.api.client.post("/apps/old/volumes", json={"name": "data", "mount_path": "/data"})).json()
    await deploy(place.api, world, "old")
    api = await place.again()
    async with api.core.db.begin() as tx:
        app = await tx.session.get_one(AppRow, app_id)
        volume = await tx.session.get_one(VolumeRow, data["id"])
        assert begin(app, volume).copy == 2
        await swap(tx, app, volume, 2, Restored(files=1, size_bytes=1))
    (await api.client.post("/apps/old/volumes", json={"name": "late", "mount_path": "/late"})).raise_for_status()
    await deploy(api, world, "old")
    await world.desired_where(app_id, lambda it: it.current is not None and len(it.current.volumes) == 2)
    api = await place.again(put_back=True)
    await until(lambda: closed(api))
    return api, app_id, data


async def test_volumes_of_what_runs_are_known_again(place: Place, world: World, runs: Runs) -> None:
    api, app_id, data = await with_data_since(place, world)
    assert (await api.client.post("/system/recovery", json={"mode": "adopt"})).status_code == 200
    wish = await world.desired_where(app_id, lambda it: it.current is not None and len(it.current.volumes) == 2)
    assert wish.copies == {data["id"]: 2}
    listed = (await api.client.get("/apps/old/volumes")).json()["items"]
    assert {one["name"]: one["state"] for one in listed} == {"data": "attached", "late": "attached"}


async def test_a_database_that_wins_mounts_the_data_that_is_there(place: Place, world: World, runs: Runs) -> None:
    api, app_id, data = await with_data_since(place, world)
    assert (await api.client.post("/system/recovery", json={"mode": "enforce"})).status_code == 200
    wish = await world.desired_where(app_id, lambda it: it.epoch == 2)
    assert wish.copies == {data["id"]: 2}, "the copy before that is gone from the engine"


async def test_who_may(place: Place, world: World, runs: Runs) -> None:
    key = (await place.api.client.post("/api-keys", json={"name": "small", "scopes": ["write"]})).json()["key"]
    async with place.api.as_token(key) as client:
        assert (await client.get("/system/recovery")).status_code == 403
        assert (await client.post("/system/recovery", json={"mode": "adopt"})).status_code == 403
    assert (await place.api.client.post("/system/recovery", json={"mode": "both"})).json()["code"] == "validation_failed"


async def test_what_stands_in_front_and_what_is_shared_is_taken_over(place: Place, world: World, runs: Runs) -> None:
    """An app that was put behind a password after the backup stays behind it."""
    app_id = (await deploy(place.api, world, "old"))["app_id"]
    api = await place.again()
    project = (await api.client.get("/apps/old")).json()["project_id"]
    (await api.client.put(f"/projects/{project}/env", json={"V": "one"})).raise_for_status()
    guarded = {"basic_auth": [{"username": "ada", "password": "long enough"}], "maintenance": {"enabled": True, "retry_after_seconds": 60}}
    (await api.client.put("/apps/old", json={**guarded, "env": {"X": "${{ shared.V }}"}})).raise_for_status()
    await deploy(api, world, "old")
    api = await place.again(put_back=True)
    await until(lambda: closed(api))
    assert (await api.client.post("/system/recovery", json={"mode": "adopt"})).status_code == 200
    seen = (await api.client.get("/apps/old")).json()
    assert (seen["basic_auth"], seen["maintenance"]) == ([{"username": "ada"}], guarded["maintenance"])
    wish = await world.desired(app_id)
    assert wish is not None
    assert wish.front is not None
    assert wish.front.basic_auth
    assert wish.current is not None
    assert api.core.vault.open(wish.current.shared, dict[str, str]) == {"V": "one"}
    refused = await api.client.post("/apps/old/deploy")
    assert (refused.status_code, refused.json()["code"]) == (400, "validation_failed"), "what is shared went with the database"
    assert "V" in refused.json()["detail"]


async def with_names_since(place: Place, world: World) -> tuple[ApiServer, dict[str, str]]:
    """Yesterday: one name of `old`, a claim of `old`, one name of `other`. Since then the first went and the last moved to `old`."""
    apps = {slug: (await deploy(place.api, world, slug))["app_id"] for slug in ("old", "other")}
    here = Look(Found(), Dns(ok=True, found=["127.0.0.1"], expected=["127.0.0.1"]), silent=False)
    nowhere = Look(Found(), Dns(ok=False, found=[], expected=[]), silent=False)

    async def change(api: ApiServer, slug: str, add: dict[str, Look], remove: str | None = None) -> None:
        async with api.core.db.begin() as tx:
            app = await tx.session.get_one(AppRow, apps[slug])
            for name, seen in add.items():
                await domains.add(tx, app, name, seen)
            if remove is not None:
                await domains.remove(tx, app, await domains.locked(tx, app, remove))

    await change(place.api, "old", {"went.example": here, "claim.example": nowhere})
    await change(place.api, "other", {"moved.example": here})
    api = await place.again()
    await change(api, "other", {}, "moved.example")
    await change(api, "old", {"new.example": here, "moved.example": here}, "went.example")
    await world.desired_where(apps["old"], lambda it: it.hosts[1:] == ("new.example", "moved.example"))
    await world.desired_where(apps["other"], lambda it: len(it.hosts) == 1)
    api = await place.again(put_back=True)
    await until(lambda: closed(api))
    return api, apps


async def test_domains_of_what_runs_are_known_again(place: Place, world: World, runs: Runs) -> None:
    api, apps = await with_names_since(place, world)
    async with api.core.db.begin() as tx:
        await tx.connection.execute(update(DomainRow).values(next_check_at=0.0))
    assert not await upkeep.due(api.core, 10), "nothing is written until it is decided who wins"
    before = await world.desired(apps["old"])
    assert (await api.client.post("/system/recovery", json={"mode": "adopt"})).status_code == 200
    listed = (await api.client.get("/apps/old/domains")).json()["items"]
    assert {one["name"]: one["status"] for one in listed} == {
        "claim.example": "pending",
        "new.example": "active",
        "moved.example": "active",
    }
    assert (await api.client.get("/apps/old")).json()["domains"] == ["claim.example", "new.example", "moved.example"]
    assert not (await api.client.get("/apps/other/domains")).json()["items"]
    assert before is not None
    told = await world.desired_where(apps["old"], lambda it: it.revision > before.revision)
    assert set(told.hosts) == set(before.hosts)
