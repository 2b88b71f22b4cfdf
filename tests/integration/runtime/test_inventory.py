"""What runs, read back from containers alone: a lost database is made from it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from libs.common import bounds, ids
from libs.common.bus import Bus
from libs.common.engine import containers, networks
from libs.common.engine.connect import Engine
from libs.common.engine.errors import SubnetTaken
from libs.common.engine.networks import NetworkSeen
from libs.common.messages.api import Desired, Release, Run, Size
from libs.common.states import Intent
from services.runtime import spec
from services.runtime.inventory import inventory
from services.runtime.replica import KEPT, Key
from services.runtime.runs.container import container_spec
from services.runtime.runs.errand import errands
from services.runtime.settings import Settings
from services.runtime.world import World
from tests import images
from tests.conftest import DOCKER_HOST
from tests.integration.runtime.stack import PATIENT
from tests.integration.runtime.wire import Wire

PROJECT = ids.new("prj")


class Place:
    """Containers that are made as the runtime makes them, and are never started."""

    def __init__(self, world: World, subnet: str) -> None:
        self.world = world
        self._prefix = subnet.rpartition(".")[0]
        self._count = 1

    async def make(self, desired: Desired, release: Release, key: Key, *, kept: bool = True) -> None:
        made = spec.container_spec(desired, release, key, env=self.world.env_of(release), address=self._address(), place=self.world.place)
        container_id = await containers.create(self.world.engine, made)
        if kept:
            await containers.update(self.world.engine, container_id, restart_policy=KEPT)

    async def make_run(self, desired: Desired, release: Release) -> None:
        [errand] = errands(desired)
        made = container_spec(desired, release, errand, env={}, address=self._address(), place=self.world.place)
        await containers.create(self.world.engine, made)

    def _address(self) -> str:
        self._count += 1
        return f"{self._prefix}.{self._count}"

    def release(self, number: int, env: dict[str, str] | None = None, **fields: object) -> Release:
        image_id = self.world.engine.api.inspect_image(images.bare())["Id"]
        defaults: dict[str, object] = {"deployment_id": ids.new("dep"), "image": images.bare(), "image_id": image_id, "port": 8080}
        return Release(number=number, env=self.world.vault.seal(env or {}), **{**defaults, **fields})  # type: ignore[arg-type]


async def a_network(engine: Engine, instance: str) -> NetworkSeen:
    """In a subnet of its own: another worker's tests have theirs."""
    while True:
        subnet = f"10.{random.randrange(214, 250)}.{random.randrange(256)}.0/26"  # noqa: S311 - no secret
        with contextlib.suppress(SubnetTaken):
            return await networks.ensure(engine, spec.network_name(instance, PROJECT), {"dockup.instance": instance}, subnet, internal=True)


@pytest.fixture
async def place(tmp_path: Path, bus: Bus, engine: Engine) -> AsyncIterator[Place]:
    instance, key = ids.new("t")[-12:], Fernet.generate_key().decode()
    world = World(
        Settings(home=str(tmp_path), docker_host=DOCKER_HOST, instance=instance, secret_key=key, nats_url=""), bus, engine, node="n"
    )
    network = await a_network(engine, instance)
    yield Place(world, network.subnets[0])
    for listed in await containers.list_ours(engine, instance):
        await containers.remove(engine, listed.id)
    await networks.remove(engine, network.id)


def wish(revision: int, app_id: str, **fields: object) -> Desired:
    defaults: dict[str, object] = {"project_id": PROJECT, "slug": "demo", "hosts": (), "epoch": 1, "intent": Intent.RUNNING}
    return Desired(app_id=app_id, revision=revision, **{**defaults, **fields})  # type: ignore[arg-type]


async def test_a_wish_is_as_late_as_the_latest_container_and_has_what_the_procfile_said(place: Place) -> None:
    """What comes up and what runs once was made later than what serves: adopted without them, the database would stay behind."""
    app_id = ids.new("app")
    procfile = {"worker": ("work",), "release": ("migrate",)}
    release = place.release(1, {"A": "b"}, processes={"worker": ("work",), "mail": ("post",)}, procfile=procfile, image_port=80)
    for key in (Key(1, 0, 0), Key(1, 0, 0, "worker"), Key(1, 0, 1, "worker")):
        await place.make(wish(3, app_id), release, key)
    await place.make(wish(5, app_id), place.release(2), Key(2, 0, 0), kept=False)
    run = Run(id=ids.new("run"), command=("sleep", "9"), timeout_seconds=9)
    await place.make_run(wish(7, app_id, runs=(run,)), release)
    [found] = (await inventory(place.world)).apps
    assert (found.epoch, found.revision) == (1, 7)
    assert found.current is not None
    assert (found.current.number, found.current.processes) == (1, release.processes)
    assert (found.current.procfile, found.current.image_port) == (procfile, 80)
    assert (found.replicas, found.processes) == (1, {"worker": Size(replicas=2), "mail": Size(replicas=0)})


async def test_a_container_that_is_stuck_in_the_engine_costs_no_other_its_place(place: Place, home: Path) -> None:
    """The engine lists it, and does not answer what is asked about it."""
    two, alone, well = sorted(ids.new("app") for _ in range(3))
    for app_id, slot in ((two, 0), (two, 1), (alone, 0), (well, 0)):
        await place.make(wish(1, app_id), place.release(1), Key(1, 0, slot))
    listed = await containers.list_ours(place.world.engine, place.world.place.instance)
    stuck = [one.id for one in listed if one.name.endswith("-1") or spec.app_of(one) == alone]
    wire = Wire(home / "engine.sock")
    await wire.mend()
    wire.stick_at(*(f"/containers/{container_id}/json".encode() for container_id in stuck))
    engine, place.world.engine = place.world.engine, await Engine.open(wire.url)
    try:
        async with asyncio.timeout(PATIENT):
            found = await inventory(place.world)
    finally:
        await wire.cut()
        place.world.engine.close()
        place.world.engine = engine
    assert {one.app_id: one.replicas for one in found.apps} == {two: 2, well: 1}
    assert not found.more


async def test_more_apps_than_a_message_takes_come_in_parts(place: Place) -> None:
    apps = sorted(ids.new("app") for _ in range(20))
    for app_id in apps:
        await place.make(wish(1, app_id), place.release(1, {"LONG": "x" * 60_000}), Key(1, 0, 0), kept=False)
    found: list[str] = []
    after, more = "", True
    while more:
        part = await inventory(place.world, after)
        assert bounds.size(part) < 1024**2
        found += [one.app_id for one in part.apps]
        after, more = found[-1], part.more
    assert found == apps
