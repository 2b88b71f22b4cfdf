"""Killed builders, deleted apps, and images that nobody needs any more."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from libs.common.engine import images as engine_images
from libs.common.engine.connect import Engine
from libs.common.messages.builder import CollectImages, ImageFailed, ImageReady, ImageStarted
from libs.common.messages.ping import Pong
from services.builder.settings import Settings
from tests import images
from tests.integration.builder.conftest import Stage, Start
from tests.servers.gateway import SlowRoad

ROOT = Path(__file__).parents[3]


def process(settings: Settings) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "DOCKUP_HOME": settings.home,
        "DOCKUP_INSTANCE": settings.instance,
        "DOCKUP_NATS_URL": settings.nats_url,
        "DOCKUP_DOCKER_HOST": settings.docker_host,
        "DOCKUP_SECRET_KEY": settings.secret_key,
        "DOCKUP_EGRESS_ALLOW": ",".join(settings.egress_allow),
    }
    return subprocess.Popen([sys.executable, "-m", "services.builder"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)


async def test_a_builder_that_is_killed_in_mid_pull(stage: Stage, settings: Settings, pushed: str, road: SlowRoad) -> None:
    road.rate = 0
    first = process(settings)
    try:
        command = await stage.prepare(f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}")
        async with asyncio.timeout(20):
            await road.came.wait()
    finally:
        first.kill()
        first.wait()
    road.rate = None
    second = process(settings)
    try:
        ready = await stage.hear(ImageReady)
        await stage.done()
    finally:
        second.terminate()
        assert second.wait(10) == 0
    assert [event.event_id for event in stage.all(ImageReady)] == [f"{command.command_id}.ready"]
    assert len(stage.all(ImageStarted)) == 1
    assert stage.all(ImageFailed) == []
    assert not ready.found


async def test_a_builder_that_is_told_to_end_in_mid_pull(stage: Stage, settings: Settings, pushed: str, road: SlowRoad) -> None:
    road.rate = 0
    builder = process(settings)
    try:
        await stage.prepare(f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}")
        async with asyncio.timeout(20):
            await road.came.wait()
        builder.terminate()
        assert await asyncio.to_thread(builder.wait, 5) == 0
    finally:
        builder.kill()
    assert [name for name, _body in stage.events] == ["ImageStarted"]


async def test_the_same_command_again_says_the_same(stage: Stage, start: Start) -> None:
    command = await stage.prepare(images.web())
    await start()
    await stage.hear(ImageReady)
    await stage.done()
    # Past the window in which the bus itself knows the id: another id for the bus, the same command.
    await stage.bus.publish(f"dockup.cmd.builder.PrepareImage.{stage.app_id}", command, "another")
    await stage.done()
    assert [event.event_id for event in stage.all(ImageReady)] == [f"{command.command_id}.ready"]


async def test_an_app_that_is_deleted_while_its_image_is_pulled(
    stage: Stage, start: Start, pushed: str, road: SlowRoad, engine: Engine
) -> None:
    road.rate = 0
    await start()
    await stage.prepare(f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}")
    async with asyncio.timeout(10):
        await road.came.wait()
    await stage.delete_app()
    await stage.done()
    assert [name for name, _body in stage.events] == ["ImageStarted"]
    assert await engine_images.list_tags(engine, f"dockup/{stage.app_id}") == []


async def test_a_cancel_ends_a_pull(stage: Stage, start: Start, pushed: str, road: SlowRoad) -> None:
    """The registry sends nothing: only giving up ends it. The next release's image is waited for."""
    road.rate = 0
    await start()
    await stage.prepare(f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}")
    async with asyncio.timeout(10):
        await road.came.wait()
    await stage.drop(1)
    async with asyncio.timeout(2):
        await stage.done()
    assert [name for name, _body in stage.events] == ["ImageStarted"]
    await stage.prepare(images.web(), release=2)
    await stage.hear(ImageReady)


async def test_our_own_name_is_never_looked_for_in_a_registry(stage: Stage, start: Start) -> None:
    await start()
    await stage.prepare(f"dockup/{stage.app_id}:r1", release=2)
    failed = await stage.hear(ImageFailed)
    assert failed.failure.code == "image_not_kept"
    assert "Roll back" in failed.failure.hint


async def test_an_image_that_comes_after_its_app_went(stage: Stage, start: Start, engine: Engine) -> None:
    await stage.delete_app()
    await start()
    await stage.prepare(images.web())
    await stage.done()
    assert await engine_images.list_tags(engine, f"dockup/{stage.app_id}") == []
    assert await engine_images.find(engine, images.web())


@pytest.mark.parametrize(("keep", "left"), [((2,), ["r2", "r3"]), ((2, 3), ["r2", "r3"]), ((), [])])
async def test_collecting(stage: Stage, start: Start, engine: Engine, keep: tuple[int, ...], left: list[str]) -> None:
    seen = await engine_images.find(engine, images.web())
    assert seen
    for number in (1, 2, 3):
        await engine_images.tag(engine, seen.id, f"dockup/{stage.app_id}", f"r{number}")
    await start()
    await stage.send(CollectImages(command_id="c1", app_id=stage.app_id, keep=keep))
    await stage.done()
    names = await engine_images.list_tags(engine, f"dockup/{stage.app_id}:")
    assert names == [f"dockup/{stage.app_id}:{tag}" for tag in left]
    assert await engine_images.find(engine, images.web())


async def test_ping(stage: Stage, start: Start, tmp_path: Path) -> None:
    await start(docker_host=f"unix://{tmp_path}/nobody.sock")
    async with asyncio.timeout(10):
        while not (answer := await ping(stage)):
            await asyncio.sleep(0.05)
    assert (answer.service, answer.status) == ("builder", "degraded")
    assert "Docker Engine" in answer.detail


async def ping(stage: Stage) -> Pong | None:
    try:
        return await stage.bus.query("builder", "ping", {}, Pong)
    except Exception:  # noqa: BLE001 - not there yet
        return None
