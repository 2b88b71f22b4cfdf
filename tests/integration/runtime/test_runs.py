"""One-off commands and release commands on a real engine: once, whatever is killed."""

import asyncio
from typing import Any

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.messages.api import Limits, Run
from libs.common.messages.runtime import LogsAnswer, RunLogsQuery
from libs.common.states import Intent, ReplicaState
from services.runtime import words
from services.runtime.clock import EngineClock
from services.runtime.runs.memory import Runs
from services.runtime.runs.runner import Runner
from services.runtime.teller import Teller
from tests import images
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Said, Stack
from tests.stack import eventually


def run(*command: str, seconds: float = 30.0) -> Run:
    return Run(id=ids.new("run"), command=command, timeout_seconds=seconds)


async def live(stack: Stack, **fields: Any) -> str:
    """An app whose runs are what their command says: its image has no entry point."""
    app_id = stack.new_app()
    end = await stack.deploy(app_id, stack.release(1, images.bare(), **fields))
    assert end.name == "ReleaseLive", end
    await stack.settled(app_id)
    return app_id


async def ended(stack: Stack, app_id: str, one: Run) -> dict[str, Any]:
    """Wait for its end, and take notice as the API does."""

    def found() -> list[Said]:
        return [event for event in stack.said_of(app_id, "RunEnded") if event.data["run_id"] == one.id]

    await until(found, 30)
    await stack.want(app_id, runs=tuple(other for other in stack.desired[app_id].runs if other.id != one.id))
    return found()[0].data


async def log(stack: Stack, app_id: str, one: Run) -> list[str]:
    query = RunLogsQuery(app_id=app_id, run_id=one.id)
    return [line.message for line in (await stack.bus.query("runtime", "run_logs", query, LogsAnswer)).items]


async def only_replicas(stack: Stack, app_id: str) -> None:
    await stack.wait_containers(app_id, lambda found: all("-web-" in each.name for each in found))


async def test_a_run_has_the_env_and_limits_and_leaves_its_log(stack: Stack) -> None:
    """The shared variable of the project is a secret too, though the app has another one of that name."""
    env = {"GREETING": "hello ${{ shared.API_TOKEN }}", "API_TOKEN": "very-secret-words"}
    app_id = await live(stack, env=env, shared=stack.vault.seal({"API_TOKEN": "everybodys-words"}))
    one = run("sh", "-c", "echo $GREETING $API_TOKEN; sleep 1; exit 7")
    await stack.want(app_id, runs=(one,), limits=Limits(memory=64))
    await stack.wait_said(app_id, "RunStarted")
    [listed] = [each for each in await stack.containers(app_id) if one.id in each.name]
    made = stack.engine.api.inspect_container(listed.id)
    assert made["HostConfig"]["Memory"] == 64 * 1024**2
    assert made["HostConfig"]["CapDrop"] == ["ALL"]
    assert made["HostConfig"]["RestartPolicy"]["Name"] == "no"
    end = await ended(stack, app_id, one)
    assert (end["status"], end["exit_code"], end["failure"]["code"]) == ("failed", 7, "command_failed")
    await only_replicas(stack, app_id)
    assert await log(stack, app_id, one) == ["hello •••••••• ••••••••"]
    assert len(stack.applied()) == 1


async def test_why_a_run_failed(stack: Stack) -> None:
    """One whose container somebody removed is lost, and not run again."""
    app_id = await live(stack)
    nameless, greedy, lost = run("no-such-program"), run("/web", "eats-memory"), run("sleep", "60")
    await stack.want(app_id, runs=(nameless, greedy, lost), limits=Limits(memory=64))
    await stack.wait_said(app_id, "RunStarted", 3)
    started = Run(id=lost.id, command=lost.command, timeout_seconds=30, started=True)
    await stack.want(app_id, runs=(nameless, greedy, started))
    [listed] = [each for each in await stack.containers(app_id) if lost.id in each.name]
    stack.engine.api.remove_container(listed.id, force=True)
    for one, code, exit_code in ((nameless, "command_not_found", 127), (greedy, "out_of_memory", 137), (lost, "run_lost", None)):
        end = await ended(stack, app_id, one)
        assert (end["failure"]["code"], end.get("exit_code")) == (code, exit_code), end
    await only_replicas(stack, app_id)


async def test_the_engines_word_on_memory_comes_after_the_one_on_the_exit(bus: Bus) -> None:
    runs = Runs("app_1", Teller(bus, "app_1"), EngineClock(), lambda _address: None)
    greedy = Runner(id="c", name="n", errand="run_1", release=1, address="", state=ReplicaState.EXITED, exit_code=137)
    runs.runners[greedy.id] = greedy
    asking = asyncio.create_task(runs.known_why(greedy))
    await asyncio.sleep(0)
    runs.change(greedy.id, oom=True)
    assert (await asking).oom


async def test_time_is_up_and_cancelled_and_the_app_may_be_stopped(stack: Stack) -> None:
    app_id = await live(stack)
    late, taken_back, never = run("sleep", "60", seconds=1), run("sleep", "60"), run("sleep", "60")
    await stack.want(app_id, runs=(late, taken_back), intent=Intent.STOPPED)
    assert (await ended(stack, app_id, late))["status"] == "timed_out"
    cancelled = tuple(Run(id=one.id, command=one.command, timeout_seconds=30, cancelled=True) for one in (taken_back, never))
    await stack.want(app_id, runs=cancelled)
    assert (await ended(stack, app_id, taken_back))["status"] == "cancelled"
    end = await ended(stack, app_id, never)
    assert (end["status"], end.get("exit_code")) == ("cancelled", None)
    await stack.wait_containers(app_id, lambda found: not found)


async def test_a_killed_runtime_neither_loses_nor_doubles_a_run(stack: Stack) -> None:
    app_id = await live(stack)
    through = run("sh", "-c", "echo begun; sleep 2; echo done")
    over, new = run("sh", "-c", "echo over; sleep 1"), run("sh", "-c", "echo new")
    await stack.want(app_id, runs=(through, over))
    await stack.wait_said(app_id, "RunStarted", 2)
    stack.kill_runtime()
    await stack.want(app_id, runs=(through, over, new))
    await stack.wait_containers(app_id, lambda found: any(over.id in each.name and each.state == "exited" for each in found))
    stack.launch()
    for one, says in ((through, ["begun", "done"]), (over, ["over"]), (new, ["new"])):
        end = await ended(stack, app_id, one)
        assert (end["status"], end["exit_code"]) == ("succeeded", 0), end
        assert await log(stack, app_id, one) == says
    await only_replicas(stack, app_id)


async def test_what_was_stopped_for_its_time_timed_out_though_the_runtime_was_killed_then(stack: Stack) -> None:
    """The command heeds TERM, and exits with 0."""
    app_id = await live(stack)
    one = run("sh", "-c", "trap 'echo told; sleep 2; exit 0' TERM; echo begun; while :; do sleep 0.1; done", seconds=1)
    await stack.want(app_id, runs=(one,))
    await stack.wait_said(app_id, "RunStarted")

    async def told() -> bool:
        return await log(stack, app_id, one) == ["begun", "told"]

    await eventually(told, what="it is told to end")
    stack.kill_runtime()
    await stack.wait_containers(app_id, lambda found: any(one.id in each.name and each.state == "exited" for each in found))
    stack.launch()
    end = await ended(stack, app_id, one)
    assert (end["status"], end["exit_code"]) == ("timed_out", 0), end
    await only_replicas(stack, app_id)


async def test_delete_takes_runs_along(stack: Stack) -> None:
    app_id = await live(stack)
    await stack.want(app_id, runs=(run("sleep", "60"),))
    await stack.wait_said(app_id, "RunStarted")
    await stack.want(app_id, runs=(), intent=Intent.DELETED)
    await stack.wait_said(app_id, "AppRemoved")
    assert await stack.containers(app_id) == []


async def test_a_release_command_comes_first_and_its_failure_touches_nothing(stack: Stack) -> None:
    app_id = stack.new_app()
    first = stack.release(1, images.bare(), env={"VERSION": "one"}, release_command=("sh", "-c", "echo migrated"))
    end = await stack.deploy(app_id, first)
    assert end.name == "ReleaseLive", end
    assert [name for name, _milliseconds in end.data["phases"]] == ["release", "create", "start", "healthy", "routed"]
    await only_replicas(stack, app_id)
    second = stack.release(2, images.bare(), env={"VERSION": "two"}, release_command=("sh", "-c", "echo no such table >&2; exit 4"))
    end = await stack.deploy(app_id, second)
    assert end.name == "ReleaseFailed", end
    failure: Any = end.data["failure"]
    assert (failure["code"], failure["evidence"], failure["data"]) == ("release_command_failed", ["no such table"], {"exit_code": 4})
    assert await stack.version(app_id) == "one"
    await only_replicas(stack, app_id)
    assert [each.name for each in await stack.containers(app_id)] == [f"dk-{app_id}-web-r1.0-0"]


async def test_a_release_command_outlives_the_runtime_and_ends_with_its_candidate(stack: Stack) -> None:
    app_id = stack.new_app()
    first = stack.release(1, images.bare(), release_command=("sh", "-c", "echo begun; sleep 3; echo migrated"))
    await stack.want(app_id, candidate=first)
    await stack.wait_containers(app_id, lambda found: [each.state for each in found] == ["running"])
    subject = subjects.log(first.deployment_id, "release")

    async def said() -> list[str]:
        return [line.message for line in await words.recall_one(stack.bus, subject)]

    async def begun() -> bool:
        return await said() == ["begun"]

    await eventually(begun, what="what it says while it runs")
    stack.kill_runtime()
    stack.launch()
    assert (await stack.end_of(first)).name == "ReleaseLive"
    assert await said() == ["begun", "migrated"]
    second = stack.release(2, images.bare(), release_command=("sleep", "60"))
    await stack.want(app_id, candidate=second)
    await stack.wait_containers(app_id, lambda found: any(second.deployment_id in each.name for each in found))
    await stack.want(app_id, candidate=None)
    await only_replicas(stack, app_id)
    assert [each.name for each in await stack.containers(app_id)] == [f"dk-{app_id}-web-r1.0-0"]
