"""An app that sleeps, on the real engine behind the real proxy: nothing runs, and the first request has it started."""

import asyncio
import random

import pytest

from libs.common import clock, subjects
from libs.common.bucket import Bucket
from libs.common.messages.api import Autoscale
from libs.common.messages.scale import Scale
from libs.common.states import Intent, ReplicaState
from tests import images
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Stack

POLICY = Autoscale(min_replicas=0, max_replicas=2, idle_timeout_seconds=60)


async def decide(stack: Stack, app_id: str, replicas: int) -> None:
    """What metrics does."""
    bucket = Bucket(stack.bus, subjects.SCALE, Scale)
    found = await bucket.get(app_id)
    number = found[0].number + 1 if found else 1
    entry = Scale(app_id=app_id, replicas=replicas, at=clock.now(), by="metrics", number=number, reason="Nobody asked.")
    await bucket.swap(app_id, entry, found[1] if found else 0)


async def asleep(stack: Stack, app_id: str) -> None:
    """Have it sleep, and wait until nothing runs."""
    await decide(stack, app_id, 0)
    await lies(stack, app_id)


async def lies(stack: Stack, app_id: str) -> None:
    await until(lambda: (route := stack.routes.entries.get(app_id)) is not None and route.asleep and not route.upstreams)
    await stack.wait_containers(app_id, lambda listed: [entry.state for entry in listed] in ([ReplicaState.EXITED], [ReplicaState.CREATED]))


async def deployed(stack: Stack, image: str = "", **fields: object) -> str:
    app_id = stack.new_app()
    await stack.deploy(app_id, stack.release(1, image or images.web(), env={"VERSION": "one"}, **fields), autoscale=POLICY)
    await stack.settled(app_id)
    return app_id


def names(stack: Stack, app_id: str) -> list[str]:
    """Of the events, each once."""
    said = {event.data["event_id"]: event.name for event in stack.said if event.app_id == app_id and event.name.startswith("Replica")}
    return list(said.values())


async def test_it_sleeps_and_a_request_starts_the_same_container(stack: Stack) -> None:
    app_id = await deployed(stack)
    (before,) = await stack.containers(app_id)
    await stack.wait_said(app_id, "ReplicaHealthy")
    await asleep(stack, app_id)
    answers = await asyncio.gather(*(stack.version(app_id) for _ in range(20)))
    assert answers == ["one"] * 20
    (after,) = await stack.containers(app_id)
    assert (after.id, after.state) == (before.id, ReplicaState.RUNNING)
    await stack.wait_said(app_id, "ReplicaHealthy", 2)
    assert names(stack, app_id) == [
        "ReplicaStarted",
        "ReplicaHealthy",
        "ReplicaSlept",
        "ReplicaStarted",
        "ReplicaWoke",
        "ReplicaHealthy",
    ]
    (woke,) = stack.said_of(app_id, "ReplicaWoke")
    assert woke.data["by"] == "request"
    await until(lambda: stack.engine.api.inspect_container(after.id)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped")


async def test_it_sleeps_on_over_restarts_and_a_wiped_bus_wakes_it(stack: Stack) -> None:
    app_id = await deployed(stack)
    await asleep(stack, app_id)
    stack.kill_runtime()
    stack.launch()
    await until(lambda: len(stack.said_of(app_id, "ReplicaSlept")) > 1)  # said again
    assert await stack.version(app_id) == "one"
    assert "ReplicaDied" not in names(stack, app_id)
    await asleep(stack, app_id)
    stack.kill_runtime()
    await Bucket(stack.bus, subjects.SCALE, Scale).delete(app_id)
    stack.launch()
    await stack.wait_containers(app_id, lambda listed: listed[0].state == ReplicaState.RUNNING)


async def test_a_request_in_the_middle_of_going_to_sleep_is_not_lost(stack: Stack) -> None:
    app_id = await deployed(stack)
    going, answers = True, []

    async def ask() -> None:
        while going:
            answers.append((await stack.get(app_id, "/version")).status_code)

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    for _ in range(4):
        await decide(stack, app_id, 0)
        count = len(answers)
        await until(lambda: len(answers) > count + 20)  # noqa: B023 - awaited at once
    going = False
    await asyncio.gather(*asking)
    assert set(answers) == {200}


async def test_an_app_that_does_not_start_again_is_told_and_not_stuck(stack: Stack) -> None:
    """Its first start is as it should be; from the second on it exits, until the app is deployed anew."""
    once = ("/bin/sh", "-c", "test -d /once && exit 3; mkdir /once; exec /web serve")
    app_id = await deployed(stack, images.bare(), command=once)
    await asleep(stack, app_id)
    answer = await stack.get(app_id, "/version")
    assert (answer.status_code, answer.json()["code"]) == (503, "app_not_running")
    await stack.wait_said(app_id, "ReplicaDied", 2)
    await asleep(stack, app_id)
    await until(lambda: names(stack, app_id)[-1] == "ReplicaSlept")
    assert (await stack.get(app_id, "/version")).status_code == 503


async def test_what_is_kept_is_made_again_when_somebody_removes_it(stack: Stack) -> None:
    app_id = await deployed(stack)
    await asleep(stack, app_id)
    (container,) = await stack.containers(app_id)
    stack.engine.api.remove_container(container.id)
    await stack.wait_containers(app_id, lambda listed: [entry.state for entry in listed] == [ReplicaState.CREATED])
    await stack.wait_said(app_id, "ReplicaSlept", 2)
    assert await stack.version(app_id) == "one"


async def test_wishes_while_it_sleeps(stack: Stack) -> None:
    app_id = await deployed(stack)
    await asleep(stack, app_id)
    end = await stack.deploy(app_id, stack.release(2, images.web(), env={"VERSION": "two"}))
    assert end.name == "ReleaseLive"
    await lies(stack, app_id)
    await stack.want(app_id, intent=Intent.PAUSED)
    assert (await stack.settled(app_id)).data["running"] == 0
    assert (await stack.get(app_id)).json()["code"] == "app_paused"
    await stack.want(app_id, intent=Intent.RUNNING)
    assert await stack.version(app_id) == "two"
    await asleep(stack, app_id)
    await stack.want(app_id, intent=Intent.STOPPED)
    await stack.settled(app_id)
    assert await stack.containers(app_id) == []
    await stack.want(app_id, intent=Intent.RUNNING)
    await lies(stack, app_id)
    await stack.want(app_id, autoscale=None)
    assert (await stack.settled(app_id)).data["running"] == 1
    await stack.want(app_id, autoscale=POLICY, intent=Intent.DELETED)
    await stack.wait_said(app_id, "AppRemoved")
    assert await stack.containers(app_id) == []


@pytest.mark.long
async def test_killed_at_any_moment_the_request_is_answered(stack: Stack) -> None:
    """Twenty times: the runtime, or every third time the router, is killed while the app goes to sleep and is woken."""
    app_id = await deployed(stack)
    dice = random.Random(26)  # noqa: S311 - no secret
    for number in range(20):
        await decide(stack, app_id, 0)
        await asyncio.sleep(dice.uniform(0, 0.4))
        held = asyncio.create_task(stack.get(app_id, "/version", timeout=60))
        await asyncio.sleep(dice.uniform(0, 0.5))
        if number % 3:
            stack.kill_runtime()
            stack.launch()
        else:
            stack.router.kill_router()
            stack.router.launch()
        answer = await held
        assert (number, answer.status_code, answer.text.strip()) == (number, 200, "one")
