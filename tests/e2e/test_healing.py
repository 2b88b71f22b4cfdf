"""What happens behind our back is put right, and the events say so."""

import pytest

from tests.e2e.conftest import Desk
from tests.stack import Stack, eventually


async def served(desk: Desk, slug: str) -> bool:
    return (await desk.look(slug)).status_code == 200


async def test_a_container_that_was_removed_comes_back(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    left = stack.leftovers()
    (before,) = left.containers(app["id"])
    left.client.remove_container(before["Id"], force=True)
    await desk.event(app["slug"], "replica.died")
    await eventually(lambda: served(desk, app["slug"]), what="the app to answer again")
    (after,) = left.containers(app["id"])
    assert after["Id"] != before["Id"]

    async def told() -> bool:
        """It may answer a moment before the feed says that it is healthy."""
        kinds = [event["type"] for event in await desk.events(app["slug"])]
        return "replica.healthy" in kinds[kinds.index("replica.died") :]

    await eventually(told, what="the feed")


async def test_a_container_that_was_killed_comes_back(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    left = stack.leftovers()
    (before,) = left.containers(app["id"])
    left.client.kill(before["Id"])
    died = await desk.event(app["slug"], "replica.died")
    assert died["data"]["exit_code"] == 137
    await eventually(lambda: served(desk, app["slug"]), what="the app to answer again")


async def test_one_of_two_dies_and_nobody_notices(desk: Desk, stack: Stack) -> None:
    app = await desk.live(replicas=2)
    left = stack.leftovers()
    containers = left.containers(app["id"])
    assert len(containers) == 2
    left.client.remove_container(containers[0]["Id"], force=True)

    async def whole() -> bool:
        return len([each for each in left.containers(app["id"]) if each["State"] == "running"]) == 2

    await eventually(whole, what="two replicas")
    assert await served(desk, app["slug"])


@pytest.mark.long
async def test_an_app_that_falls_again_and_again(desk: Desk) -> None:
    """Its status says that it loops; the proxy stays up."""
    app = await desk.live()
    slug = app["slug"]

    async def loops() -> bool:
        await desk.look(slug, "/exit?5")
        seen = await desk.get(slug)
        return bool(seen["status_reason"] == "crash_loop")

    await eventually(loops, 60, what="the crash loop to be said")
    event = await desk.event(slug, "replica.crash_looping")
    assert event["level"] == "error"
