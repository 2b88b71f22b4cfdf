"""What is due for runs and release commands, and how they ended, as tables."""

from typing import Any

import msgspec
import pytest

from libs.common.engine.containers import ContainerListed
from libs.common.messages.api import Mount, Run
from libs.common.secrets import MASK
from libs.common.states import Intent, ReplicaState
from services.runtime.masks import Masks
from services.runtime.runs import facts
from services.runtime.runs.container import container_spec, runner_of
from services.runtime.runs.errand import RELEASE_SECONDS, Errand
from services.runtime.runs.plan import plan_runs
from services.runtime.runs.runner import Runner
from services.runtime.runs.steps import CreateRunner, EndErrand, RemoveRunner, StartRunner, StopRunner
from services.runtime.spec import Place, replica_of
from services.runtime.steps import AnnounceAhead, EnsureNetwork, Wait
from tests.unit.runtime.cases import NOW, desired, names, release, replica, seen, steps

OPEN = Run(id="run_1", command=("ls",), timeout_seconds=60)
STARTED = msgspec.structs.replace(OPEN, started=True)
CANCELLED = msgspec.structs.replace(OPEN, cancelled=True)
MIGRATE = release(2, release_command=("migrate",))


def runner(errand: str = "run_1", state: ReplicaState = ReplicaState.RUNNING, **fields: Any) -> Runner:
    defaults: dict[str, Any] = {"id": f"c_{errand}", "name": errand, "release": 1, "address": "10.213.0.9", "up_since": NOW.engine - 10}
    return Runner(errand=errand, state=state, **{**defaults, **fields})


CREATED, EXITED = runner(state=ReplicaState.CREATED), runner(state=ReplicaState.EXITED)


@pytest.mark.parametrize(
    ("run", "there", "expected"),
    [
        (OPEN, (), [CreateRunner("run_1")]),
        (STARTED, (), [EndErrand("run_1")]),
        (CANCELLED, (), [EndErrand("run_1")]),
        (OPEN, (CREATED,), [StartRunner("run_1", "c_run_1")]),
        (CANCELLED, (CREATED,), [EndErrand("run_1", "c_run_1")]),
        (OPEN, (runner(),), [Wait(NOW.engine + 50, "run_1 must have ended by then")]),
        (CANCELLED, (runner(),), [StopRunner("run_1", "c_run_1")]),
        (OPEN, (runner(up_since=NOW.engine - 60),), [StopRunner("run_1", "c_run_1")]),
        (OPEN, (EXITED,), [EndErrand("run_1", "c_run_1")]),
        (OPEN, (runner("run_0"),), [CreateRunner("run_1"), RemoveRunner("run_0", "c_run_0")]),
    ],
)
def test_what_is_due_for_a_run(run: Run, there: tuple[Runner, ...], expected: list[Any]) -> None:
    assert plan_runs(desired(current=release(1), runs=(run,)), seen(runners=there), NOW) == expected


def test_absence_of_knowledge_removes_nothing_and_what_is_newer_is_left_alone() -> None:
    assert plan_runs(desired(), seen(runners=(runner(),), may_remove=False), NOW) == []
    assert steps(desired(), seen(runners=(runner(rank=(1, 9)),))) == [AnnounceAhead(1, 9)]


def test_a_stopped_app_without_network_gets_one_for_its_run() -> None:
    wish = desired(current=release(1), runs=(OPEN,), intent=Intent.STOPPED)
    assert plan_runs(wish, seen(network=False), NOW) == [EnsureNetwork("prj_1")]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (seen(), ["CreateRunner"]),
        (seen(runners=(runner("dep_2"),)), ["TellLines"]),
        (seen(runners=(runner("dep_2", told_at=NOW.engine - 0.5),)), []),
        (seen(runners=(runner("dep_2", up_since=NOW.engine - RELEASE_SECONDS),)), ["StopRunner"]),
        (seen(runners=(runner("dep_2", ReplicaState.EXITED),)), ["EndErrand"]),
        (seen(runners=(runner("dep_2", ReplicaState.EXITED),), ended=frozenset({"dep_2"})), ["CreateReplica"]),
        # A process that forgot all finds replicas of it: the command has ended well.
        (seen(replica(2), runners=(runner("dep_2", ReplicaState.EXITED),)), []),
        (seen(runners=(runner("dep_2", ReplicaState.EXITED),), ended=frozenset({"dep_2"}), failed=frozenset({"dep_2"})), []),
    ],
)
def test_a_release_command_comes_before_the_first_replica(view: Any, expected: list[str]) -> None:
    found = [name for name in names(desired(candidate=MIGRATE), view) if name not in {"PublishRoute", "KeepRunning", "UpdateLimits"}]
    assert found == expected


ERRAND = Errand(id="run_1", command=("ls",), timeout_seconds=60)
TIMES = {"started_at": "2026-01-01T00:00:00.000Z", "finished_at": "2026-01-01T00:00:10.000Z"}
LONG = {"started_at": "2026-01-01T00:00:00.000Z", "finished_at": "2026-01-01T00:01:01.000Z"}


@pytest.mark.parametrize(
    ("errand", "one", "status", "code"),
    [
        (ERRAND, runner(**TIMES), "succeeded", None),
        (ERRAND, runner(exit_code=3, **TIMES), "failed", "command_failed"),
        (ERRAND, runner(exit_code=137, oom=True, **TIMES), "failed", "out_of_memory"),
        (ERRAND, runner(oom=True, **TIMES), "succeeded", None),
        (ERRAND, runner(exit_code=143, **LONG), "timed_out", "timeout"),
        (ERRAND, runner(late=True, **LONG), "timed_out", "timeout"),
        (ERRAND, runner(**LONG), "succeeded", None),
        (msgspec.structs.replace(ERRAND, cancelled=True), runner(exit_code=143, **TIMES), "cancelled", None),
        (msgspec.structs.replace(ERRAND, cancelled=True), None, "cancelled", None),
        (msgspec.structs.replace(ERRAND, started=True), None, "failed", "run_lost"),
    ],
)
def test_how_it_ended(errand: Errand, one: Runner | None, status: str, code: str | None) -> None:
    event = facts.ended("app_1", errand, one, ())
    assert (event.status, event.failure.code if event.failure else None) == (status, code)
    assert event.event_id == "run_1.ended"
    assert one is None or errand.cancelled or facts.is_well(errand, one) == (status == "succeeded")


def test_a_process_that_forgot_all_reads_a_container_back_and_hides_what_it_was_given() -> None:
    of = release(3, env_secret=("PLAIN",), volumes=(Mount(volume="vol_1", name="data", path="/data"),))
    env = {"PLAIN": "hide-me-please", "NAME": "show-me"}
    spec = container_spec(desired(current=of), of, ERRAND, env=env, address="10.213.0.9", place=Place(instance="i", node="n"))
    listed = ContainerListed(
        id="c", name=spec.name, labels=spec.labels, state=ReplicaState.RUNNING, image_id="sha256:3", address="10.213.0.9"
    )
    found = runner_of(listed)
    assert found is not None
    assert (found.errand, found.release, found.rank, found.copies) == ("run_1", 3, (1, 5), {"vol_1": 1})
    assert replica_of(listed) is None
    masks = Masks()
    masks.learn_env(spec.env, found.secret)
    assert masks.hide("hide-me-please, show-me") == f"{MASK}, show-me"
