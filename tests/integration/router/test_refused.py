"""HAProxy does not take what one app needs: the others go on, and a reload mends it."""

import asyncio

from services.router import runtime_api
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app


async def spoil(stack: Stack) -> None:
    """As a router that was killed between two commands leaves it: until that is committed the proxy takes no other host's certificate."""
    path = stack.files / "certs" / "localhost.pem"
    [answer] = await runtime_api.ask(stack.files / "admin.sock", [f"set ssl cert {path} <<\n{path.read_text(encoding='ascii').strip()}\n"])
    assert "Transaction created" in answer


async def test_one_that_is_refused_holds_no_other_up_and_comes_by_a_reload(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    other, refused = sorted((new_app(), new_app()))
    await stack.route(other, replicas[0].upstream())
    await spoil(stack)
    first, second = await asyncio.gather(stack.put(refused, replicas[2].upstream()), stack.put(other, replicas[1].upstream()))
    await stack.wait_applied(second)
    assert (await stack.get(other)).json()["name"] == replicas[1].name
    await stack.wait_applied(first)
    assert (await stack.get(refused)).json()["name"] == replicas[2].name
    pong = await stack.ping()
    assert pong is not None
    assert pong.status == "ok"
    assert "router.reloaded" in (stack.home / "router.log").read_text(encoding="utf-8")
