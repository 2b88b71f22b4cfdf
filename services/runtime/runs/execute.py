"""The steps of runs, taken. The dict at the foot says which function takes which step."""

from collections.abc import Mapping

import structlog

from libs.common.engine import containers
from libs.common.engine.errors import Conflict, EngineError, ImageMissing, NotFound, StartFailed
from libs.common.errors import failure
from libs.common.messages.api import Release
from libs.common.secrets import UnreadableError
from libs.common.states import ReplicaState
from services.runtime import facts as app_facts
from services.runtime import words
from services.runtime.candidate import EVIDENCE_LINES
from services.runtime.not_executed import not_executed
from services.runtime.reconcile import App, Do
from services.runtime.retiring import TERM_SECONDS
from services.runtime.runs import facts
from services.runtime.runs.container import container_spec, runner_of
from services.runtime.runs.errand import Errand, errands, release_for
from services.runtime.runs.runner import Runner
from services.runtime.runs.steps import CreateRunner, EndErrand, RemoveRunner, StartRunner, StopRunner, TellLines
from services.runtime.runs.telling import tell_lines, tell_so_far
from services.runtime.steps import Step
from services.runtime.volumes import mounting

logger = structlog.get_logger()


async def create_runner(app: App, step: CreateRunner) -> None:
    errand = _find(app, step.errand)
    release = release_for(errand, app.desired) if errand else None
    if errand is None or release is None:
        return
    try:
        env = app.world.env_of(release)
    except UnreadableError as error:
        _refuse(app, errand, "internal_error", str(error))
        return
    address = app.world.networks.take(app.desired.project_id)
    if address is None and not app.world.networks.has(app.desired.project_id):
        return  # it went meanwhile: the plan makes it again
    if address is None:
        _refuse(app, errand, "network_exhausted", "Every address of the project's network is taken.")
        return
    try:
        await _create(app, errand, release, env, address)
    finally:
        app.world.networks.settle(address)


async def _create(app: App, errand: Errand, release: Release, env: dict[str, str], address: str) -> None:
    desired = app.desired  # another may be wanted once it is made
    wanted = container_spec(desired, release, errand, env=env, address=address, place=app.world.place)
    try:
        container_id = await containers.create(app.world.engine, wanted)
    except Conflict:
        await _adopt(app, errand, wanted.name)
    except ImageMissing as error:
        _refuse(app, errand, "image_not_found", f"The image is not on this machine any more: {error}")
    except NotFound:
        app.world.networks.forget(desired.project_id)
    except EngineError as error:
        _refuse(app, errand, "container_start_failed", f"The engine did not create the container: {error}")
    else:
        app.world.late.forget(errand.id)
        rank = desired.epoch, desired.revision
        app.runs.runners[container_id] = Runner(
            id=container_id,
            name=wanted.name,
            errand=errand.id,
            release=release.number,
            address=address,
            state=ReplicaState.CREATED,
            rank=rank,
            copies=mounting.copies_of(desired, release),
            secret=release.env_secret,
        )


async def _adopt(app: App, errand: Errand, name: str) -> None:
    """The name is taken: it was made before this process lost sight of it, and is not made again."""
    for entry in await containers.list_ours(app.world.engine, app.world.place.instance, app.desired.app_id):
        runner = runner_of(entry)
        if entry.name == name and runner is not None:
            app.runs.merge(runner, await containers.inspect(app.world.engine, entry.id))
            return
    _refuse(app, errand, "container_start_failed", f"A container that is not Dockup's has the name {name}.")


async def start_runner(app: App, step: StartRunner) -> None:
    try:
        await containers.start(app.world.engine, step.container)
    except StartFailed as error:
        # It stays as it was made, with the engine's words about it; its end is said, so it is not started again.
        if (errand := _find(app, step.errand)) is not None:
            _refuse(app, errand, "container_start_failed", f"The engine did not start it: {error}")
        return
    except NotFound:
        app.vanish(step.container)
        return
    await app.refresh(step.container)


async def stop_runner(app: App, step: StopRunner) -> None:
    """That its time was up is noted first: how it ended does not tell, of a command that heeds TERM and exits with 0."""
    errand = _find(app, step.errand)
    if errand is not None and not errand.cancelled:
        app.world.late.note(errand.id)
    await _stop(app, step.container)
    await app.refresh(step.container)


async def _stop(app: App, container_id: str) -> None:
    runner = app.runs.runners.get(container_id)
    try:
        if runner is not None and runner.state == ReplicaState.PAUSED:
            await containers.unpause(app.world.engine, container_id)
        async with app.world.stops:
            await containers.stop(app.world.engine, container_id, TERM_SECONDS)
    except NotFound:
        app.vanish(container_id)


async def end_errand(app: App, step: EndErrand) -> None:
    """The log first: whoever hears of the end may read it. Doing it again changes nothing."""
    errand, runner = _find(app, step.errand), app.runs.change(step.container, late=step.errand in app.world.late)
    if errand is None:
        return
    evidence: tuple[str, ...] = ()
    if runner is not None and runner.stopped:
        await tell_lines(app, runner)
        app.runs.change(runner.id, kept=True)
        evidence = () if facts.is_well(errand, runner) else await _evidence(app, runner)
        runner = runner if errand.cancelled else await app.runs.known_why(runner)
    elif errand.candidate:
        return  # it was removed meanwhile, and nobody knows how it ended: it is run again
    else:
        runner = None
    if errand.candidate and runner is not None:
        _end_candidate(app, errand, runner, evidence)
    else:
        app.runs.end(facts.ended(app.desired.app_id, errand, runner, evidence))
    app.wake()


async def _evidence(app: App, runner: Runner) -> tuple[str, ...]:
    try:
        lines = await words.lines_of(app.world.engine, runner, app.masks, EVIDENCE_LINES)
    except EngineError as error:
        return (f"Its log is not there: {error}",)
    return tuple(line.message for line in lines)


def _end_candidate(app: App, errand: Errand, runner: Runner, evidence: tuple[str, ...]) -> None:
    """The candidate may come up now, or has failed."""
    app.runs.ended[errand.id] = None
    if facts.is_well(errand, runner):
        app.mark("release")
        return
    _, message, _ = facts.why(errand, runner, evidence)
    hint = None if not_executed(evidence) is None else "Correct release_command, then deploy again: the image has no such program."
    _fail_candidate(
        app, errand, f"The release command did not succeed. {message}", evidence, hint=hint, data={"exit_code": runner.exit_code}
    )


def _fail_candidate(
    app: App, errand: Errand, message: str, evidence: tuple[str, ...], *, hint: str | None, data: dict[str, object]
) -> None:
    """Of the release whose command it was, if that is the candidate still."""
    candidate = app.desired.candidate
    if candidate is None or candidate.deployment_id != errand.id:
        return
    why = failure("deploying", "release_command_failed", message, evidence=evidence, hint=hint, data=data)
    app.view.failed[candidate.deployment_id] = why
    app.teller.tell(app_facts.failed(app.desired.app_id, candidate, why))


def _refuse(app: App, errand: Errand, code: str, message: str) -> None:
    """It cannot run."""
    if errand.candidate:
        app.runs.ended[errand.id] = None
        _fail_candidate(app, errand, f"The release command did not run. {message}", (), hint=None, data={})
    else:
        app.runs.end(facts.refused(app.desired.app_id, errand, code, message))
    app.wake()


async def remove_runner(app: App, step: RemoveRunner) -> None:
    """One that was taken back while it ran is stopped, and its log kept. Harmless to repeat."""
    runner = app.runs.change(step.container, leaving=True)
    if runner is None:
        return
    if not runner.stopped and runner.state != ReplicaState.CREATED:
        await _stop(app, runner.id)
        if not runner.kept:
            await tell_lines(app, runner)
    await containers.remove(app.world.engine, runner.id)
    app.world.late.forget(step.errand)
    app.vanish(runner.id)


def _find(app: App, errand_id: str) -> Errand | None:
    return next((errand for errand in errands(app.desired) if errand.id == errand_id), None)


STEPS: Mapping[type[Step], Do] = {
    CreateRunner: create_runner,
    StartRunner: start_runner,
    TellLines: tell_so_far,
    StopRunner: stop_runner,
    EndErrand: end_errand,
    RemoveRunner: remove_runner,
}
