"""The events of runs, and how one ended. Pure."""

from libs.common import clock
from libs.common.errors import failure
from libs.common.messages.failure import Failure
from libs.common.messages.runtime import RunEnded, RunStarted
from libs.common.states import RunStatus
from services.runtime.not_executed import not_executed
from services.runtime.runs.errand import Errand
from services.runtime.runs.runner import Runner

_PHASE = "run"


def started(app_id: str, runner: Runner, at: str) -> RunStarted:
    return RunStarted(
        event_id=f"{runner.errand}.started",
        at=clock.rfc3339(clock.parse(at)),
        app_id=app_id,
        run_id=runner.errand,
        release=runner.release,
        container_id=runner.id,
    )


def ended(app_id: str, errand: Errand, runner: Runner | None, evidence: tuple[str, ...]) -> RunEnded:
    """`runner` is None where there is no container, or none that was started."""
    if runner is None:
        lost = not errand.cancelled
        why = failure(_PHASE, "run_lost", "Its container is gone: somebody removed it before its end was seen.") if lost else None
        return _ended(app_id, errand, RunStatus.FAILED if lost else RunStatus.CANCELLED, why)
    at = clock.rfc3339(clock.parse(runner.finished_at)) if runner.finished_at else None
    return _ended(app_id, errand, _status(errand, runner), _why(errand, runner, evidence), at=at, exit_code=runner.exit_code)


def refused(app_id: str, errand: Errand, code: str, message: str) -> RunEnded:
    """It never ran."""
    return _ended(app_id, errand, RunStatus.FAILED, failure(_PHASE, code, message))


def is_late(errand: Errand, runner: Runner) -> bool:
    """Whether it was stopped for its time; one that a process before this one stopped without a note of it did not end with 0."""
    return runner.late or (runner.seconds >= errand.timeout_seconds and runner.exit_code != 0)


def is_well(errand: Errand, runner: Runner) -> bool:
    """It came to its end by itself, with 0: one that heeds TERM may say 0 as well, with half of its work done."""
    return runner.exit_code == 0 and not is_late(errand, runner)


def _ended(
    app_id: str, errand: Errand, status: RunStatus, why: Failure | None, *, at: str | None = None, exit_code: int | None = None
) -> RunEnded:
    return RunEnded(
        event_id=f"{errand.id}.ended",
        at=at or clock.now(),
        app_id=app_id,
        run_id=errand.id,
        status=status,
        exit_code=exit_code,
        failure=why,
    )


def _status(errand: Errand, runner: Runner) -> RunStatus:
    if errand.cancelled:
        return RunStatus.CANCELLED
    if is_late(errand, runner):
        return RunStatus.TIMED_OUT
    return RunStatus.SUCCEEDED if is_well(errand, runner) else RunStatus.FAILED


def _why(errand: Errand, runner: Runner, evidence: tuple[str, ...]) -> Failure | None:
    status = _status(errand, runner)
    if status in {RunStatus.SUCCEEDED, RunStatus.CANCELLED}:
        return None
    code, message, hint = why(errand, runner, evidence)
    return failure(_PHASE, code, message, evidence=evidence, hint=hint, data={"exit_code": runner.exit_code})


def why(errand: Errand, runner: Runner, evidence: tuple[str, ...]) -> tuple[str, str, str | None]:
    """Code, sentence and, where the catalogue's does not fit, hint for one that did not end well."""
    if is_late(errand, runner):
        message = f"It was stopped after {errand.timeout_seconds:g} seconds, which is its time limit."
        return "timeout", message, "Give it a longer timeout_seconds, or have it do less at once."
    if runner.oom:
        return "out_of_memory", "It was killed for using more memory than the app's limit.", "Raise memory_limit, then run it again."
    if (found := not_executed(evidence)) is not None:
        program, reason = found
        return "command_not_found", f"{program} could not be executed: {reason}.", None
    return "command_failed", f"It exited with code {runner.exit_code}.", None
