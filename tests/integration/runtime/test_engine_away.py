"""The engine does not answer for a while: work waits, nothing fails of it, and then it happens."""

import asyncio
from pathlib import Path

from libs.common.engine import containers
from libs.common.messages.api import HealthCheck
from tests import images
from tests.integration.runtime.stack import Stack
from tests.integration.runtime.wire import Wire


async def status(stack: Stack, wanted: str) -> str:
    """Wait until the ping says so; return the detail."""
    async with asyncio.timeout(30):
        while True:
            pong = await stack.ping()
            if pong is not None and pong.status == wanted:
                return pong.detail
            await asyncio.sleep(0.05)


async def test_what_is_asked_while_it_is_away_happens_when_it_is_back(stack: Stack, home: Path) -> None:
    wire = Wire(home / "engine.sock")
    await wire.mend()
    stack.stop_runtime()
    stack.docker_host = wire.url
    stack.launch()
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
