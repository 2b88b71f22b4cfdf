"""The query `inventory`: what runs, as wishes that would leave it as it is. For a database that was lost or put back."""

from collections import defaultdict

import structlog

from libs.common.engine import containers, origin
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import NotFound
from libs.common.messages.api import Desired, Limits, Release
from libs.common.messages.runtime import Inventory
from libs.common.states import Intent
from services.runtime import spec
from services.runtime.plan import KEPT
from services.runtime.replica import Generation, Replica
from services.runtime.world import World

logger = structlog.get_logger()


async def inventory(world: World) -> Inventory:
    """Read every container of ours. Raises `EngineAway`."""
    apps: dict[str, list[ContainerListed]] = defaultdict(list)
    for entry in await containers.list_ours(world.engine, world.place.instance):
        if app_id := spec.app_of(entry):
            apps[app_id].append(entry)
    found = [await _of_app(world, app_id, entries) for app_id, entries in sorted(apps.items())]
    return Inventory(apps=tuple(wish for wish in found if wish is not None))


async def _of_app(world: World, app_id: str, entries: list[ContainerListed]) -> Desired | None:
    try:
        return await _read(world, app_id, await _serving(world, entries))
    except NotFound:
        return None  # it went while we looked


async def _serving(world: World, entries: list[ContainerListed]) -> list[tuple[Replica, ContainerListed]]:
    """The newest generation that the engine keeps running; where there is none, the newest of all."""
    generations: dict[Generation, list[tuple[Replica, ContainerListed]]] = defaultdict(list)
    kept: set[Generation] = set()
    for entry in entries:
        replica = spec.replica_of(entry)
        if replica is None:
            continue
        generations[replica.key.generation].append((replica, entry))
        if (await containers.inspect(world.engine, entry.id)).restart_policy == KEPT:
            kept.add(replica.key.generation)
    return generations[max(kept or generations)] if generations else []


async def _read(world: World, app_id: str, serving: list[tuple[Replica, ContainerListed]]) -> Desired | None:
    if not serving:
        return None
    replica, entry = max(serving, key=lambda one: one[0].rank)
    made = spec.made_from(entry)
    if made is None:
        logger.warning("runtime.unreadable_container", app_id=app_id, container=entry.name)
        return None
    given = await origin.read(world.engine, entry.id)
    env = {name: value for name, value in given.env.items() if (name, value) != ("PORT", str(replica.port))}
    release = Release(
        number=replica.key.release,
        deployment_id=replica.deployment_id,
        image=made.image,
        image_id=given.image_id,
        port=replica.port,
        env=world.vault.seal(env),
        command=made.command,
        health_check=made.health_check,
        drain_seconds=replica.drain_seconds,
    )
    return Desired(
        app_id=app_id,
        project_id=replica.project_id,
        slug=made.slug,
        hosts=(),
        epoch=replica.rank[0],
        revision=replica.rank[1],
        intent=Intent.RUNNING,
        replicas=len(serving),
        restart=replica.key.restart,
        limits=Limits(cpu=given.cpu, memory=given.memory),
        current=release,
    )
