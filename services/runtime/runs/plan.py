"""What is due for the runs of an app. Pure; `docs/states.md` has the table."""

from libs.common.messages.api import Desired
from libs.common.states import Intent, ReplicaState
from services.runtime.clock import Now
from services.runtime.runs.errand import Errand, errands, is_prepared, release_for
from services.runtime.runs.runner import Runner
from services.runtime.runs.steps import CreateRunner, EndErrand, RemoveRunner, StartRunner, StopRunner, TellLines
from services.runtime.seen import Seen
from services.runtime.steps import EnsureNetwork, Step, Wait

_TELL_SECONDS = 1.0


def plan_runs(desired: Desired, seen: Seen, now: Now) -> list[Step]:
    """Return the steps that are due; each run takes its own, whatever the others and the replicas do."""
    wanted = () if desired.intent == Intent.DELETED else errands(desired)
    there = {runner.errand: runner for runner in seen.runners if not runner.leaving}
    steps = [step for errand in wanted for step in _advance(errand, there.get(errand.id), desired, seen, now)]
    ids = {errand.id for errand in wanted}
    if seen.may_remove:
        steps += [RemoveRunner(runner.errand, runner.id) for runner in seen.runners if runner.errand not in ids]
    return steps


def _advance(errand: Errand, runner: Runner | None, desired: Desired, seen: Seen, now: Now) -> list[Step]:
    if errand.id in seen.ended or (errand.candidate and _has_replicas(desired, seen)):
        return []
    if runner is None:
        return _begin(errand, desired, seen)
    if runner.stopped:
        return [EndErrand(errand.id, runner.id)]
    if runner.state == ReplicaState.CREATED:
        return [EndErrand(errand.id, runner.id) if errand.cancelled else StartRunner(errand.id, runner.id)]
    until = (runner.up_since or now.engine) + errand.timeout_seconds
    if errand.cancelled or now.engine >= until:
        return [StopRunner(errand.id, runner.id)]
    return [Wait(until, f"{errand.id} must have ended by then"), *(_tell(errand, runner, now) if errand.candidate else ())]


def _tell(errand: Errand, runner: Runner, now: Now) -> list[Step]:
    due = max(runner.up_since or 0.0, runner.told_at or 0.0) + _TELL_SECONDS
    return [TellLines(errand.id, runner.id)] if now.engine >= due else [Wait(due, f"{errand.id} writes")]


def _begin(errand: Errand, desired: Desired, seen: Seen) -> list[Step]:
    if errand.cancelled or errand.started:
        return [EndErrand(errand.id)]
    if release_for(errand, desired) is None:
        return [Wait(0, f"{errand.id} waits for a release")]
    return [CreateRunner(errand.id)] if seen.network else [EnsureNetwork(desired.project_id)]


def _has_replicas(desired: Desired, seen: Seen) -> bool:
    return desired.candidate is not None and is_prepared(desired.candidate, seen.replicas, seen.ended)
