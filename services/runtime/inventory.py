"""The query `inventory`: what runs, as wishes that would leave it as it is. For a database that was lost or put back."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple

import msgspec
import structlog

from libs.common import bounds
from libs.common.engine import containers, origin
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import EngineError, NotFound
from libs.common.messages.api import Desired, Limits, Release, Size
from libs.common.messages.runtime import Inventory
from libs.common.states import Intent
from services.runtime import spec
from services.runtime.replica import KEPT, Generation, Replica
from services.runtime.runs.container import runner_of
from services.runtime.world import World

_AT_ONCE = 16
_TOLD_SECONDS, _APP_SECONDS, _PART_SECONDS = 3.0, 6.0, 6.0
"""For the engine's answer about one container, for an app, and until an answer ends with what there is: the API waits for 15 seconds."""
_MOST_BYTES = 700_000
"""Of one answer: the largest wish comes on top of it."""

logger = structlog.get_logger()


class _Found(NamedTuple):
    """`policy` is None where the engine does not tell: a container may be stuck in it, which then answers all other questions."""

    replica: Replica
    entry: ContainerListed
    policy: str | None


async def inventory(world: World, after: str = "") -> Inventory:
    """Read every container of ours, of the apps that come after `after`, as far as a message goes. Raises `EngineAway`."""
    until = monotonic() + _PART_SECONDS
    apps: dict[str, list[ContainerListed]] = defaultdict(list)
    for entry in await containers.list_ours(world.engine, world.place.instance):
        if (app_id := spec.app_of(entry)) > after:
            apps[app_id].append(entry)
    found: list[Desired] = []
    size, left = 0, sorted(apps)
    while left and size < _MOST_BYTES and not (found and monotonic() > until):
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
        async with asyncio.timeout(_APP_SECONDS):
            found = await _read(world, app_id, await _serving(world, entries))
    except (EngineError, TimeoutError) as error:
        logger.warning("runtime.unreadable_app", app_id=app_id, error=str(error) or "the engine does not tell about it in time")
        return None  # it went while we looked, or the engine does not tell
    if found is None:
        return None
    epoch, revision = max(one.rank for entry in entries if (one := runner_of(entry) or spec.replica_of(entry)) is not None)
    return msgspec.structs.replace(found, epoch=epoch, revision=revision)


async def _serving(world: World, entries: list[ContainerListed]) -> list[_Found]:
    """The newest generation that the engine keeps running; where there is none, the newest of all.

    What the engine does not tell about may be kept: a generation before it is not taken for the newest.
    """
    generations: dict[Generation, list[_Found]] = defaultdict(list)
    for entry in entries:
        replica = spec.replica_of(entry)
        if replica is None:
            continue
        with contextlib.suppress(NotFound):
            one = _Found(replica, entry, await _policy(world, entry.id))
            generations[replica.key.generation].append(one)
    kept = [generation for generation, found in generations.items() if any(one.policy in {KEPT, None} for one in found)]
    return generations[max(kept or generations)] if generations else []


async def _policy(world: World, container_id: str) -> str | None:
    try:
        async with asyncio.timeout(_TOLD_SECONDS):
            return (await containers.inspect(world.engine, container_id)).restart_policy
    except TimeoutError:
        logger.warning("runtime.unreadable_container", container=container_id, error="the engine does not tell about it in time")
        return None


async def _read(world: World, app_id: str, serving: list[_Found]) -> Desired | None:
    told = [one for one in serving if one.policy is not None]
    if not told:
        return None
    # Of `web` before the others: what is read of one container, such as its limits, is of its process.
    replica, entry, _ = max(told, key=lambda one: (one.replica.key.is_web, one.replica.rank))
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
    of_web = sum(one.replica.key.is_web for one in serving)
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


async def _sizes(world: World, processes: Iterable[str], serving: list[_Found]) -> dict[str, Size]:
    """How many containers each process beside `web` has, and the limits of one of them."""
    found: dict[str, Size] = {}
    for name in processes:
        there = [one for one in serving if one.replica.key.process == name]
        told = next((one.entry.id for one in there if one.policy is not None), None)
        given = await origin.read(world.engine, told) if told else None
        found[name] = Size(replicas=len(there), limits=Limits(cpu=given.cpu, memory=given.memory) if given else Limits())
    return found
