"""The query `inventory`: what runs, as wishes that would leave it as it is. For a database that was lost or put back."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import structlog

from libs.common import bounds
from libs.common.engine import containers, origin
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import EngineError
from libs.common.messages.api import Desired, Limits, Release, Size
from libs.common.messages.runtime import Inventory
from libs.common.states import Intent
from services.runtime import spec
from services.runtime.replica import KEPT, Generation, Replica
from services.runtime.runs.container import runner_of
from services.runtime.world import World

_AT_ONCE = 16
_MOST_BYTES = 700_000
"""Of one answer: the largest wish comes on top of it."""

logger = structlog.get_logger()


async def inventory(world: World, after: str = "") -> Inventory:
    """Read every container of ours, of the apps that come after `after`, as far as a message goes. Raises `EngineAway`."""
    apps: dict[str, list[ContainerListed]] = defaultdict(list)
    for entry in await containers.list_ours(world.engine, world.place.instance):
        if (app_id := spec.app_of(entry)) > after:
            apps[app_id].append(entry)
    found: list[Desired] = []
    size, left = 0, sorted(apps)
    while left and size < _MOST_BYTES:
        some, left = left[:_AT_ONCE], left[_AT_ONCE:]
        read = await asyncio.gather(*(_of_app(world, app_id, apps[app_id]) for app_id in some))
        for wish in [wish for wish in read if wish is not None]:
            if found and size + bounds.size(wish) > _MOST_BYTES:
                return Inventory(apps=tuple(found), more=True)
            found.append(wish)
            size += bounds.size(wish)
    return Inventory(apps=tuple(found), more=bool(left))


async def _of_app(world: World, app_id: str, entries: list[ContainerListed]) -> Desired | None:
    """No older than any container of the app: what comes up or runs once beside what serves was made under a later wish, perhaps."""
    try:
        found = await _read(world, app_id, await _serving(world, entries))
    except EngineError as error:
        logger.warning("runtime.unreadable_app", app_id=app_id, error=str(error))
        return None  # it went while we looked, or the engine does not tell
    if found is None:
        return None
    epoch, revision = max(one.rank for entry in entries if (one := runner_of(entry) or spec.replica_of(entry)) is not None)
    return msgspec.structs.replace(found, epoch=epoch, revision=revision)


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
    # Of `web` before the others: what is read of one container, such as its limits, is of its process.
    replica, entry = max(serving, key=lambda one: (one[0].key.is_web, one[0].rank))
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
        volumes=made.volumes,
        release_command=made.release_command,
        env_secret=made.env_secret,
        processes=made.processes,
        procfile=made.procfile,
        image_port=made.image_port,
    )
    of_web = sum(one.key.is_web for one, _ in serving)
    return Desired(
        app_id=app_id,
        project_id=replica.project_id,
        slug=made.slug,
        hosts=(),
        epoch=replica.rank[0],
        revision=replica.rank[1],
        intent=Intent.RUNNING,
        replicas=max(of_web, 1),
        restart=replica.key.restart,
        limits=Limits(cpu=given.cpu, memory=given.memory) if replica.key.is_web else Limits(),
        processes=await _sizes(world, made.processes, serving),
        copies={volume: copy for volume, copy in made.copies.items() if copy > 1},
        current=release,
    )


async def _sizes(world: World, processes: Iterable[str], serving: list[tuple[Replica, ContainerListed]]) -> dict[str, Size]:
    """How many containers each process beside `web` has, and the limits of one of them."""
    found: dict[str, Size] = {}
    for name in processes:
        ids = [entry.id for replica, entry in serving if replica.key.process == name]
        given = await origin.read(world.engine, ids[0]) if ids else None
        found[name] = Size(replicas=len(ids), limits=Limits(cpu=given.cpu, memory=given.memory) if given else Limits())
    return found
