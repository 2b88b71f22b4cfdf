"""The engine does not answer for a while: work waits, nothing fails of it, and then it happens."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from libs.common import ids
from libs.common.engine import containers
from libs.common.messages.api import HealthCheck, Run
from libs.common.messages.runtime import LogsAnswer, RunLogsQuery
from tests import images
from tests.integration.runtime.stack import Stack
from tests.integration.runtime.test_faults import answers, live
from tests.integration.runtime.test_misfits import pings
from tests.integration.runtime.wire import Wire, wired


async def status(stack: Stack, wanted: str) -> str:
    """Wait until the ping says so; return the detail."""
    async with asyncio.timeout(30):
        while True:
            pong = await stack.ping()
            if pong is not None and pong.status == wanted:
                return pong.detail
            await asyncio.sleep(0.05)


async def test_what_is_asked_while_it_is_away_happens_when_it_is_back(stack: Stack, home: Path) -> None:
    wire = await wired(stack, home)
    app_id = stack.new_app()
    assert (await stack.deploy(app_id, stack.release(1, images.web(), env={"VERSION": "one"}))).name == "ReleaseLive"
    await stack.settled(app_id)
    other = stack.new_app()
    slow = stack.release(1, images.slow_start(), health_check=HealthCheck(start_period_seconds=4))
    await stack.want(other, candidate=slow)
    await stack.wait_containers(other, lambda found: found and found[0].state == "running")
    await wire.cut()
    assert "does not answer" in await status(stack, "degraded")
    second = stack.release(2, images.web(), env={"VERSION": "two"})
    await stack.want(app_id, candidate=second)
    for listed in await stack.containers(other):
        await containers.stop(stack.engine, listed.id, 0)
    await asyncio.sleep(5)  # longer than the start period
    assert not stack.said_of(app_id, "ReleaseFailed")
    assert not stack.said_of(other, "ReleaseFailed")
    await wire.mend()
    assert await status(stack, "ok") == ""
    assert (await stack.end_of(second)).name == "ReleaseLive"
    assert await stack.version(app_id) == "two"
    assert (await stack.end_of(slow)).name == "ReleaseLive"
    await wire.cut()


async def test_a_start_without_an_answer_does_not_keep_the_health_of_before(stack: Stack, home: Path) -> None:
    """The engine starts it and is gone before it says so: what it was before it died says nothing of it."""
    wire = await wired(stack, home)
    app_id = stack.new_app()
    assert (await stack.deploy(app_id, stack.release(1, images.web()))).name == "ReleaseLive"
    await stack.settled(app_id)
    (before,) = {event.data["event_id"] for event in stack.said_of(app_id, "ReplicaHealthy")}
    (listed,) = await stack.containers(app_id)

    wire.cut_at(b"/start HTTP")
    await containers.kill(stack.engine, listed.id)
    async with asyncio.timeout(30):
        await wire.is_cut.wait()
    await stack.wait_containers(app_id, lambda found: found and found[0].state == "running")
    await wire.mend()

    await stack.wait_said(app_id, "ReplicaHealthy", 2)
    second = next(event.data for event in stack.said_of(app_id, "ReplicaHealthy") if event.data["event_id"] != before)
    started = [event.data for event in stack.said_of(app_id, "ReplicaStarted")][-1]
    assert second["container_id"] == started["container_id"] == listed.id
    assert str(second["at"]) >= str(started["at"])
    await wire.cut()


@pytest.mark.long
async def test_a_container_that_is_stuck_in_the_engine_holds_up_its_app_alone(stack: Stack, home: Path) -> None:
    """The engine lists it and does not answer what is asked about it, which a runtime that starts has to ask."""
    wire = Wire(home / "engine.sock")
    await wire.mend()
    app_id = await live(stack)
    [container] = await stack.containers(app_id)
    stack.stop_runtime()
    wire.stick_at(f"/containers/{container.id}/json".encode())
    stack.docker_host = wire.url
    stack.launch()
    await pings(stack, "degraded", app_id)
    await live(stack)
    await stack.want(app_id, replicas=2)
    await live(stack)
    assert [one.id for one in await stack.containers(app_id)] == [container.id]
    await answers(stack, app_id)
    wire.stick_at()
    await stack.settled(app_id, 90)  # a look may be under way that waits ten seconds in vain; the next comes thirty later
    assert len(await stack.containers(app_id)) == 2
    await wire.cut()


@pytest.mark.long
async def test_a_run_whose_start_got_no_answer_is_not_run_again(stack: Stack, home: Path) -> None:
    """It has ended by the time that the engine answers again, and looks as if it had never been started."""
    wire = await wired(stack, home)
    app_id = stack.new_app()
    assert (await stack.deploy(app_id, stack.release(1, images.bare()))).name == "ReleaseLive"
    await stack.settled(app_id)
    once = Run(id=ids.new("run"), command=("sh", "-c", "echo once"), timeout_seconds=30)
    wire.cut_at(b"/start HTTP")
    await stack.want(app_id, runs=(once,))
    async with asyncio.timeout(30):
        await wire.is_cut.wait()
    cut_at = monotonic()
    await stack.wait_containers(app_id, lambda found: any(once.id in one.name and one.state == "exited" for one in found))
    await asyncio.sleep((0.8 - (monotonic() - cut_at)) % 1)  # each second after it was cut off the runtime asks again
    await wire.mend()
    [end] = await stack.wait_said(app_id, "RunEnded")
    assert end.data["status"] == "succeeded"
    query = RunLogsQuery(app_id=app_id, run_id=once.id)
    assert [line.message for line in (await stack.bus.query("runtime", "run_logs", query, LogsAnswer)).items] == ["once"]
    await wire.cut()
