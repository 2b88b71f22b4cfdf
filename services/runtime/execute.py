"""The steps, taken: one function each. The dict at the foot says which function takes which step."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping

import structlog

from libs.common import clock
from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, EngineError, ImageMissing, NotFound, StartFailed
from libs.common.messages.api import Release
from libs.common.secrets import UnreadableError
from libs.common.states import ReplicaState
from services.runtime import facts, spec
from services.runtime.candidate import announce_live, fail_candidate, probe_proxy
from services.runtime.deaths import Deaths
from services.runtime.limits import update_limits
from services.runtime.liveness import probe_replica
from services.runtime.networks import PoolExhausted
from services.runtime.reconcile import App, Do
from services.runtime.replica import KEPT, Health, Key, Replica
from services.runtime.retiring import retire
from services.runtime.seen import Trouble
from services.runtime.sleeping import put_to_sleep, woken_by
from services.runtime.steps import (
    AnnounceAhead,
    AnnounceLive,
    AnnounceRemoved,
    AnnounceSettled,
    CreateReplica,
    EnsureNetwork,
    FailCandidate,
    KeepRunning,
    PauseReplica,
    Probe,
    ProbeProxy,
    PublishRoute,
    PurgeVolume,
    PutToSleep,
    RemoveNetwork,
    Retire,
    StartReplica,
    Step,
    Unpause,
    UpdateLimits,
)
from services.runtime.volumes import mounting
from services.runtime.volumes.purging import purge_volume

_TROUBLE_PAUSE = 5.0
_FREEZE_PAUSE = 0.5
_NETWORK_TRIES = 3
_NO_NETWORK = re.compile(r"network \S+ not found|no such network", re.IGNORECASE)

logger = structlog.get_logger()


async def ensure_network(app: App, step: EnsureNetwork) -> None:
    try:
        await app.world.networks.ensure(step.project_id)
    except PoolExhausted as error:
        await _no_network(app, "network_exhausted", str(error))
    except EngineError as error:
        await _no_network(app, "container_start_failed", f"The engine did not make the project's network: {error}")


async def _no_network(app: App, code: str, message: str) -> None:
    release = app.desired.candidate or app.desired.current
    if release is not None:
        await _trouble(app, release, code, message)
    else:
        await asyncio.sleep(_TROUBLE_PAUSE)


async def create_replica(app: App, step: CreateReplica) -> None:
    release = app.release(step.key.release)
    if release is None:
        return
    try:
        env = app.world.env_of(release)
    except UnreadableError as error:
        await _trouble(app, release, "internal_error", str(error))
        return
    address = app.world.networks.take(app.desired.project_id)
    if address is None and not app.world.networks.has(app.desired.project_id):
        return  # it went meanwhile: the plan makes it again
    if address is None:
        await _trouble(app, release, "network_exhausted", "Every address of the project's network is taken.")
        return
    try:
        await _create(app, release, step.key, env, address)
    finally:
        app.world.networks.settle(address)


async def _create(app: App, release: Release, key: Key, env: dict[str, str], address: str) -> None:
    desired = app.desired
    wanted = spec.container_spec(desired, release, key, env=env, address=address, place=app.world.place)
    try:
        container_id = await containers.create(app.world.engine, wanted)
    except Conflict:
        await adopt(app, release, wanted.name)
    except ImageMissing as error:
        await _trouble(app, release, "image_not_found", f"The image is not on this machine any more: {error}")
    except NotFound:
        app.world.networks.forget(desired.project_id)
    except EngineError as error:
        await _trouble(app, release, "container_start_failed", f"The engine did not create the container: {error}")
    else:
        app.view.replicas[container_id] = Replica(
            id=container_id,
            name=wanted.name,
            key=key,
            deployment_id=release.deployment_id,
            project_id=desired.project_id,
            port=release.port,
            drain_seconds=release.drain_seconds,
            address=address,
            state=ReplicaState.CREATED,
            policy=wanted.restart_policy,
            limits=desired.size_of(key.process).limits,
            copies=mounting.copies_of(desired, release),
            writes=mounting.writes(release.volumes),
            rank=(desired.epoch, desired.revision),
        )
        app.mark("create")


async def adopt(app: App, release: Release, name: str) -> None:
    """The name is taken: by a container that was made before this process lost sight of it."""
    listed = await containers.list_ours(app.world.engine, app.world.place.instance, app.desired.app_id)
    for entry in listed:
        replica = spec.replica_of(entry)
        if entry.name == name and replica is not None:
            app.take_in(replica, await containers.inspect(app.world.engine, entry.id))
            return
    try:
        await containers.inspect(app.world.engine, name)
    except NotFound:
        return  # it was on its way out, and has gone
    message = f"A container that is not Dockup's has the name {name}: remove it, then deploy again."
    await _trouble(app, release, "container_start_failed", message)


async def _trouble(app: App, release: Release, code: str, message: str) -> None:
    """A candidate fails of it; what serves tries again."""
    if release == app.desired.candidate:
        app.view.trouble = Trouble(release=release.number, code=code, message=message)
        return
    logger.error("runtime.trouble", code=code, message=message)
    await asyncio.sleep(_TROUBLE_PAUSE)


async def start_replica(app: App, step: StartReplica) -> None:
    engine, view = app.world.engine, app.view
    replica = view.replicas.get(step.container)
    if replica is None:
        return
    # From here on the start is ours: what `inspect` says of it is no restart behind our back, and how it ended before is past.
    # Its health goes with it: an engine that goes away in the middle must not give the next start the health of the last.
    begun = {"state": ReplicaState.CREATED, "started_at": None, "up_since": None, "oom": False, "excused": False, "resting": False}
    fresh = {
        "health": Health.STARTING,
        "healthy_at": None,
        "flips": 0,
        "probe_error": "",
        "woken_by": woken_by(app, replica),
    }
    view.change(step.container, **begun, **fresh, starts=replica.starts + 1)
    try:
        await containers.start(engine, step.container)
    except NotFound:
        app.vanish(step.container)
        return
    except StartFailed as error:
        await _not_started(app, replica, str(error))
        return
    now = app.world.clock.seconds()
    view.change(step.container, state=ReplicaState.RUNNING, up_since=now)
    app.mark("start")
    await app.refresh(step.container)


async def _not_started(app: App, replica: Replica, message: str) -> None:
    """A candidate fails of it, what serves is made anew. A network that somebody removed is nobody's fault: it is made anew, too."""
    candidate = app.is_candidate(replica.id)
    no_network = _NO_NETWORK.search(message) is not None
    tries = app.view.deaths.get(replica.key, Deaths()).row
    if candidate and not (no_network and tries < _NETWORK_TRIES):
        app.view.change(replica.id, start_error=message)
        return
    if no_network:
        app.world.networks.forget(replica.project_id)
    await app.refresh(replica.id)  # what it said when it ran before is to be kept
    app.replace(replica, message)


async def publish_route(app: App, step: PublishRoute) -> None:
    await app.world.routes.put(app.desired.app_id, step.route)
    app.view.route = step.route
    # The mirror hears of it a moment later; until then it must not look lost.
    app.world.route_mirror.entries.setdefault(app.desired.app_id, step.route)


async def keep_running(app: App, step: KeepRunning) -> None:
    try:
        await containers.update(app.world.engine, step.container, restart_policy=KEPT)
    except NotFound:
        app.vanish(step.container)
        return
    await app.refresh(step.container)


async def pause_replica(app: App, step: PauseReplica) -> None:
    await _freeze_or_thaw(app, step.container, containers.pause)


async def unpause(app: App, step: Unpause) -> None:
    app.view.change(step.container, thawed=clock.now())
    await _freeze_or_thaw(app, step.container, containers.unpause)


async def _freeze_or_thaw(app: App, container_id: str, act: Callable[[Engine, str], Awaitable[None]]) -> None:
    """What the engine refuses is seen by the look that follows: the container ended meanwhile."""
    try:
        await act(app.world.engine, container_id)
    except NotFound:
        app.vanish(container_id)
        return
    except EngineError as error:
        logger.warning("runtime.not_frozen", container=container_id, error=str(error))
        await asyncio.sleep(_FREEZE_PAUSE)
    await app.refresh(container_id)


async def remove_network(app: App, step: RemoveNetwork) -> None:
    await app.world.networks.remove(step.project_id, lambda: app.world.wants.last_in_project(app.desired))


async def announce_settled(app: App, step: AnnounceSettled) -> None:
    await app.teller.tell(facts.settled(app.desired, step.epoch, step.revision, step.running))
    app.view.said_settled = (step.epoch, step.revision)


async def announce_ahead(app: App, step: AnnounceAhead) -> None:
    await app.teller.tell(facts.ahead(app.desired.app_id, step.epoch, step.revision))
    app.view.said_ahead = (step.epoch, step.revision)


async def announce_removed(app: App, _step: AnnounceRemoved) -> None:
    await app.teller.tell(facts.app_removed(app.desired.app_id))
    app.view.said_removed = True


STEPS: Mapping[type[Step], Do] = {
    EnsureNetwork: ensure_network,
    CreateReplica: create_replica,
    StartReplica: start_replica,
    Probe: probe_replica,
    PublishRoute: publish_route,
    ProbeProxy: probe_proxy,
    AnnounceLive: announce_live,
    FailCandidate: fail_candidate,
    KeepRunning: keep_running,
    UpdateLimits: update_limits,
    PauseReplica: pause_replica,
    Unpause: unpause,
    PutToSleep: put_to_sleep,
    Retire: retire,
    PurgeVolume: purge_volume,
    RemoveNetwork: remove_network,
    AnnounceSettled: announce_settled,
    AnnounceRemoved: announce_removed,
    AnnounceAhead: announce_ahead,
}
