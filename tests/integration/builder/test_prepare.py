"""From a name to an image that is held: found, pulled, or refused for a reason that can be acted on."""

import asyncio
from pathlib import Path

import pytest

from libs.common.engine import images as engine_images
from libs.common.engine.connect import Engine
from libs.common.messages.builder import ImageFailed, ImageProgress, ImageReady, ImageStarted
from libs.common.messages.failure import Failure
from services.builder import words
from tests import images
from tests.conftest import DOCKER_HOST
from tests.integration.builder.conftest import Stage, Start
from tests.servers.gateway import Gateway, SlowRoad
from tests.servers.registry import RegistryServer


async def failure(stage: Stage, start: Start, reference: str, **settings: object) -> Failure:
    await start(**settings)
    await stage.prepare(reference)
    failed = await stage.hear(ImageFailed)
    await stage.done()
    assert stage.all(ImageReady) == []
    assert failed.failure.phase == "building"
    assert failed.failure.hint
    return failed.failure


async def test_an_image_that_is_here(stage: Stage, start: Start, engine: Engine) -> None:
    await start()
    command = await stage.prepare(images.web(), release=7)
    ready = await stage.hear(ImageReady)
    await stage.done()
    assert [name for name, _body in stage.events] == ["ImageStarted", "ImageReady"]
    assert ready.event_id == f"{command.command_id}.ready"
    assert stage.all(ImageStarted)[0].event_id == f"{command.command_id}.started"
    assert (ready.found, ready.digest, ready.exposed_ports) == (True, None, (images.PORT,))
    held = await engine_images.find(engine, f"dockup/{stage.app_id}:r7")
    assert held is not None
    assert held.id == ready.image_id


async def test_one_that_only_a_registry_has(stage: Stage, start: Start, pushed: str, engine: Engine) -> None:
    await start()
    await stage.prepare(pushed)
    ready = await stage.hear(ImageReady)
    assert ready.found is False
    assert ready.digest is not None
    assert ready.digest.startswith(pushed.removesuffix(":1") + "@sha256:")
    by_digest = await engine_images.find(engine, ready.digest)
    assert by_digest is not None
    assert by_digest.id == ready.image_id
    await stage.done()
    assert f"dockup/{stage.app_id}:r1" in by_digest.repo_tags


async def test_a_disk_that_is_full(stage: Stage, start: Start, pushed: str) -> None:
    """The mark is lowered to what the engine's disk has now. What is here already needs no room."""
    seen = await failure(stage, start, pushed, disk_full_percent=0.1)
    assert seen.code == "disk_full"
    assert "% full" in seen.message
    await stage.prepare(images.web(), release=2)
    assert (await stage.hear(ImageReady)).found
    await stage.done()


async def test_by_digest(stage: Stage, start: Start, pushed: str) -> None:
    await start()
    await stage.prepare(pushed)
    first = await stage.hear(ImageReady)
    assert first.digest
    stage.events.clear()
    images.client().remove_image(pushed)
    images.client().remove_image(f"dockup/{stage.app_id}:r1", force=True)
    await stage.prepare(first.digest, release=2)
    again = await stage.hear(ImageReady)
    await stage.done()
    assert (again.image_id, again.digest) == (first.image_id, first.digest)


async def test_progress_is_said(stage: Stage, start: Start, pushed: str, road: SlowRoad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "PROGRESS_SECONDS", 0.05)
    road.rate = 1_000_000
    await start()
    await stage.prepare(f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}")
    ready = await stage.hear(ImageReady)
    await stage.done()
    said = stage.all(ImageProgress)
    assert said
    assert all(event.total_bytes >= event.done_bytes for event in said)
    assert max(event.total_bytes for event in said) > 900_000
    assert len({event.event_id for event in said}) == len(said)
    assert not ready.found


async def test_a_tag_that_is_missing(stage: Stage, start: Start, pushed: str) -> None:
    found = await failure(stage, start, pushed.removesuffix(":1") + ":nope")
    assert found.code == "image_not_found"
    assert any("nope" in line for line in found.evidence)


async def test_a_name_that_is_missing(stage: Stage, start: Start, registry: RegistryServer) -> None:
    assert (await failure(stage, start, f"{registry.host}/nobody/nothing")).code == "image_not_found"


async def test_a_registry_that_wants_a_password(stage: Stage, start: Start, secret_registry: RegistryServer) -> None:
    reference = secret_registry.push(images.web(), "team/app")
    assert (await failure(stage, start, reference)).code == "registry_auth_failed"


async def test_a_registry_that_is_not_there(stage: Stage, start: Start) -> None:
    assert (await failure(stage, start, "127.0.0.1:1/team/app:1")).code == "registry_unreachable"


async def test_a_registry_that_never_answers(stage: Stage, start: Start, pushed: str, road: SlowRoad) -> None:
    road.rate = 0
    reference = f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}"
    assert (await failure(stage, start, reference, pull_seconds=1)).code == "timeout"


async def test_a_name_that_is_none(stage: Stage, start: Start) -> None:
    found = await failure(stage, start, "Not An Image; rm -rf /")
    assert found.code == "image_invalid"


async def test_an_engine_that_is_away_is_waited_for(stage: Stage, start: Start, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "engine.sock", DOCKER_HOST.removeprefix("unix://"))
    await start(docker_host=gateway.address)
    await stage.prepare(images.web())
    await gateway.open()
    await stage.hear(ImageReady)
    await stage.done()
    gateway.cut()
    stage.events.clear()
    await stage.prepare(images.web(), release=2)
    await gateway.open()
    await stage.hear(ImageReady)
    await stage.done()
    gateway.cut()


async def test_an_engine_that_goes_in_the_middle_of_a_pull(stage: Stage, start: Start, pushed: str, road: SlowRoad, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "engine.sock", DOCKER_HOST.removeprefix("unix://"))
    await gateway.open()
    road.rate = 0
    await start(docker_host=gateway.address)
    await stage.prepare(f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}")
    async with asyncio.timeout(10):
        await road.came.wait()
    gateway.cut()
    road.rate = None
    await gateway.open()
    assert not (await stage.hear(ImageReady)).found
    await stage.done()
    assert stage.all(ImageFailed) == []
    gateway.cut()
