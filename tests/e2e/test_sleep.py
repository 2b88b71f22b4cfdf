"""An app that sleeps when nobody asks it anything, and wakes for whoever does."""

import asyncio

from websockets.asyncio.client import connect

from tests.e2e.conftest import Desk, Json
from tests.stack import Stack, eventually
from tests.stack.nap import SLEEPY, naps

BODY = b"0123456789abcdef" * 8 * 1024
STATE = tuple[str, str | None]


async def sleepy(desk: Desk) -> Json:
    app = await desk.live(env={"LOG_IDS": "1"})
    await desk.call("PUT", f"/apps/{app['slug']}/autoscale", json=SLEEPY)
    return app


async def state(desk: Desk, slug: str) -> STATE:
    app = await desk.get(slug)
    return app["status"], app["status_reason"]


async def becomes(desk: Desk, slug: str, wanted: STATE) -> None:
    async def is_so() -> bool:
        return await state(desk, slug) == wanted

    await eventually(is_so, what=f"{slug} to be {wanted}")


async def asleep(desk: Desk, slug: str) -> None:
    await becomes(desk, slug, ("stopped", "sleeping"))


async def shows(desk: Desk, slug: str, states: list[str]) -> bool:
    """Whether the replicas' states in the stats are these: their service hears of an end by itself, in a moment."""
    stats = await desk.call("GET", f"/apps/{slug}/stats")
    return [replica["state"] for replica in stats["replicas"]] == states


async def echo(stack: Stack, slug: str) -> bytes:
    async with stack.app_client(slug) as client:
        return (await client.post("/echo", content=BODY)).content


async def talk(stack: Stack, slug: str, text: str) -> str | bytes:
    url = f"wss://{stack.host(slug)}:{stack.https_port}/ws"
    async with connect(url, ssl=stack.trust(), host="127.0.0.1", port=stack.https_port) as socket:
        await socket.send(text)
        return await socket.recv()


async def test_a_hundred_requests_wake_it_once_and_all_are_answered(desk: Desk, stack: Stack) -> None:
    app = await sleepy(desk)
    slug = app["slug"]
    async with stack.app_client(slug) as client:
        await client.get("/", headers={"X-Request-Id": "before-it-slept"})
    async with naps(stack) as bed:
        number = await bed.sleep(app["id"])
        await asleep(desk, slug)

        async def rests() -> bool:
            return (await desk.get(slug))["current_replicas"] == 0

        await eventually(rests, what="its last replica to end")
        assert "wakes it" in (await desk.get(slug))["status_detail"]
        logs = await desk.call("GET", f"/apps/{slug}/logs")
        assert any("before-it-slept" in line["message"] for line in logs["items"])
        await eventually(lambda: shows(desk, slug, ["exited"]), what="the container that ended in the stats")

        looks = asyncio.gather(*(desk.look(slug, "/version") for _ in range(50)))
        echoes = asyncio.gather(*(echo(stack, slug) for _ in range(30)))
        words = asyncio.gather(*(talk(stack, slug, f"word {n}") for n in range(20)))
        assert {answer.status_code for answer in await looks} == {200}
        assert all(answer == BODY for answer in await echoes)
        assert await words == [f"word {n}" for n in range(20)]
        last = await bed.last(app["id"])
    assert last
    assert (last.number, last.replicas, last.by) == (number + 1, 1, "router")
    await becomes(desk, slug, ("running", None))
    kinds = [event["type"] for event in await desk.events(slug)]
    assert (kinds.count("app.slept"), kinds.count("app.woke")) == (1, 1)
    assert "replica.died" not in kinds
    assert (await desk.event(slug, "app.woke"))["data"]["by"] == "request"


async def test_verbs_find_it_asleep(desk: Desk, stack: Stack) -> None:
    app = await sleepy(desk)
    slug = app["slug"]
    async with naps(stack) as bed:
        for verb in ("start", "restart"):
            await bed.sleep(app["id"])
            await asleep(desk, slug)
            answer = await desk.call("POST", f"/apps/{slug}/{verb}", params={"wait": 60})
            assert (answer["status"], answer["current_replicas"]) == ("running", 1), answer
        woke = [event["data"]["by"] for event in await desk.events(slug) if event["type"] == "app.woke"]
        assert len(woke) == 2
        assert "request" not in woke
        await bed.sleep(app["id"])
        await asleep(desk, slug)
        await desk.call("POST", f"/apps/{slug}/pause", params={"wait": 60})
        assert (await desk.look(slug)).json()["code"] == "app_paused"
        await desk.call("POST", f"/apps/{slug}/unpause", params={"wait": 60})
        await asleep(desk, slug)
        deployment = await desk.deploy(slug)
        assert deployment["status"] == "live"
        await becomes(desk, slug, ("running", None))
        await bed.sleep(app["id"])
        await desk.call("PUT", f"/apps/{slug}/autoscale", json={"enabled": False})
        await becomes(desk, slug, ("running", None))
