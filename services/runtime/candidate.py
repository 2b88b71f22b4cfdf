"""The end of a candidate: it answers through the proxy and is live, or it failed, and this is what shows why."""

import asyncio

import msgspec

from libs.common.engine import containers, images, ports
from libs.common.engine.errors import EngineError, NotFound
from libs.common.errors import failure
from libs.common.messages.api import Release
from libs.common.messages.failure import Failure
from services.runtime import facts, words
from services.runtime.not_executed import not_executed
from services.runtime.probe import through
from services.runtime.reconcile import App
from services.runtime.steps import AnnounceLive, FailCandidate, ProbeProxy

EVIDENCE_LINES = 30
_MOST_PORTS = 50
_NOT_EXECUTED = {2, 126, 127}
_RUN_TOO = {"amd64": "386", "arm64": "arm"}
_FIRST_GAP, _LONGEST_GAP, _GROWTH = 0.01, 0.5, 1.5


async def probe_proxy(app: App, step: ProbeProxy) -> None:
    """Ask through every live router until a replica of the release has answered through each; ends by cancellation otherwise.

    The engine is asked meanwhile: one that is silent may have lost them, and what answers at an address may be something it forgot.
    """
    release = app.release(step.release)
    if release is None or not app.desired.hosts:
        return
    if not app.world.live_routers():
        return  # the plan says what then
    look = asyncio.create_task(_look_at(app, release))
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_through_one(app, router_id, release)) for router_id in app.world.live_routers()]
        there = await look
    finally:
        look.cancel()
    if there and any(task.result() for task in asked):
        app.view.proved.add(step.release)
        app.mark("routed")


async def _look_at(app: App, release: Release) -> bool:
    """Whether the engine says that those of the release that ran still do."""
    ran = [replica.id for replica in app.view.replicas.values() if replica.deployment_id == release.deployment_id and replica.running]
    await asyncio.gather(*map(app.refresh, ran))
    return all((found := app.view.replicas.get(container_id)) is not None and found.running for container_id in ran)


async def _through_one(app: App, router_id: str, release: Release) -> bool:
    """Ask one router's proxy until a replica answers; a router that dies in between is not waited for, and proves nothing."""
    check, gap = release.health_check, _FIRST_GAP
    path = check.path if check.type == "http" else "/"
    while (lease := app.world.live_routers().get(router_id)) is not None:
        names = {replica.upstream for replica in app.view.replicas.values() if replica.deployment_id == release.deployment_id}
        name, error = await through(lease, app.desired.hosts[0], path, check.timeout_seconds)
        if name in names:
            return True
        app.view.proxy_error = error
        await asyncio.sleep(gap)
        gap = min(gap * _GROWTH, _LONGEST_GAP)
    return False


async def announce_live(app: App, step: AnnounceLive) -> None:
    release = app.release(step.release)
    if release is not None:
        await app.teller.tell(facts.live(app.desired.app_id, release, app.view.marks))
        app.view.said_live.add(step.release)


async def fail_candidate(app: App, step: FailCandidate) -> None:
    """Gather the evidence while the container is still there, remember, say."""
    release = app.release(step.release)
    if release is None:
        return
    why = app.view.failed[release.deployment_id] = await _failure(app, step, release)
    app.wake()
    await app.teller.tell(facts.failed(app.desired.app_id, release, why))


async def _failure(app: App, step: FailCandidate, release: Release) -> Failure:
    evidence = await _evidence(app, step, release)
    base = failure("deploying", step.code, step.message, evidence=evidence)
    replica = app.view.replicas.get(step.container)
    if replica is None:
        return base
    if step.code in {"container_exited", "out_of_memory"} and not replica.running:
        if replica.exit_code in _NOT_EXECUTED:
            base = await _for_another_machine(app, release, base) or _not_executed(base)
        return msgspec.structs.replace(base, data={"exit_code": replica.exit_code})
    if step.code == "health_check_failed" and replica.key.is_web:
        return await _by_ports(app, step, release, base)
    return base


async def _evidence(app: App, step: FailCandidate, release: Release) -> tuple[str, ...]:
    newest = max(
        (replica for replica in app.view.replicas.values() if replica.deployment_id == release.deployment_id),
        key=lambda replica: (replica.id == step.container, replica.key),
        default=None,
    )
    found = [app.view.proxy_error] if step.code == "route_failed" and app.view.proxy_error else []
    if newest is None:
        return tuple(found)
    try:
        lines = await words.lines_of(app.world.engine, newest, app.masks, EVIDENCE_LINES)
    except EngineError as error:
        return (f"Its log is not there: {error}", *found)
    return tuple([line.message for line in lines] + found)


async def _for_another_machine(app: App, release: Release, base: Failure) -> Failure | None:
    """Asked of an image only when it did not run: a machine with an emulator runs those of others as well.

    Where the image has a shell, the container's init gives it the foreign program as a script, which ends with status 2, 126 or 127.
    """
    try:
        seen = await images.find(app.world.engine, release.image_id)
        mine = (await app.world.engine.info()).architecture
    except EngineError:
        return None
    if seen is None or seen.architecture in {"", mine, _RUN_TOO.get(mine)}:
        return None
    message = f"The image is for {seen.architecture}, this machine is {mine}. {base.message}"
    return failure("deploying", "image_invalid", message, evidence=base.evidence)


def _not_executed(base: Failure) -> Failure:
    """Where the container's init could not start the program, the app itself never ran."""
    found = not_executed(base.evidence)
    if found is None:
        return base
    program, reason = found
    code = "image_invalid" if reason.lower() == "exec format error" else "container_start_failed"
    return failure("deploying", code, f"{program} could not be executed: {reason}.", evidence=base.evidence)


async def _by_ports(app: App, step: FailCandidate, release: Release, base: Failure) -> Failure:
    """An app that listens elsewhere is told where; one that listens and answers wrongly keeps its code."""
    try:
        pid = (await containers.inspect(app.world.engine, step.container)).pid
    except NotFound:
        return base
    open_ports = ports.listening(pid) if pid else []
    inside = set(ports.loopback_only(pid)) if pid else set()
    if release.port in open_ports and release.port not in inside:
        if release.health_check.type == "tcp":
            message = f"Port {release.port} is open, but no answer in HTTP came from it, which the proxy needs. {base.message}"
            base = failure("deploying", "route_failed", message, evidence=base.evidence)
        return msgspec.structs.replace(base, data={"listening": open_ports[:_MOST_PORTS]})
    return _not_listening(release, base, open_ports, inside, await _exposed(app, release))


async def _exposed(app: App, release: Release) -> list[int]:
    """Other ports than the release's on which its image says that it listens."""
    try:
        seen = await images.find(app.world.engine, release.image_id)
    except EngineError:
        return []
    return [port for port in (seen.exposed_ports if seen else ()) if port != release.port]


def _not_listening(release: Release, base: Failure, open_ports: list[int], inside: set[int], exposed: list[int]) -> Failure:
    seconds = f"{release.health_check.start_period_seconds:g} seconds"
    data: dict[str, object] = {"listening": open_ports[:_MOST_PORTS], "port": release.port}
    if release.port in inside:
        message = f"After {seconds} port {release.port} is open on 127.0.0.1 alone, where nobody outside the container reaches it."
        hint = "Have the app listen on 0.0.0.0, then deploy again."
    elif outside := [port for port in open_ports if port not in inside]:
        listing = ", ".join(map(str, outside[:_MOST_PORTS]))
        message = f"After {seconds} nothing listens on port {release.port}; it listens on {listing}."
        hint = f"Set internal_port to {outside[0]}, or have the app listen on {release.port}, then deploy again."
    elif exposed:
        listing = ", ".join(map(str, exposed[:_MOST_PORTS]))
        message = f"After {seconds} nothing listens on port {release.port}, nor on any other; the image exposes {listing}."
        hint = f"Read why the app does not listen; when it does, and not on {release.port}, set internal_port to its port ({listing})."
    else:
        message, hint = f"After {seconds} nothing listens on port {release.port}, nor on any other.", None
    return failure("deploying", "port_not_listening", message, evidence=base.evidence, hint=hint, data=data)
