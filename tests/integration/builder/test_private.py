"""Private registries: the right login, a wrong one and none; and what was pulled with one is nobody else's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from libs.common import ids
from libs.common.engine import images as engine_images
from libs.common.engine.connect import Engine
from libs.common.errors import Retry
from libs.common.messages.builder import CheckRegistry, ImageFailed, ImageReady, RegistryChecked, RegistryLogin
from libs.common.secrets import Vault
from services.builder.image import parse
from services.builder.private import FOLDER, Door
from services.builder.settings import Settings
from tests import images
from tests.conftest import DOCKER_HOST
from tests.integration.builder.conftest import PATIENCE, SECRET_KEY, Stage, Start, forget
from tests.servers.gateway import Gateway, SlowRoad
from tests.servers.git import GitServer
from tests.servers.registry import PASSWORD, USER, RegistryServer
from tests.servers.token import TokenServer


@pytest.fixture(params=["basic", "token"])
def private(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryServer]:
    tokens = TokenServer(tmp_path, USER, PASSWORD) if request.param == "token" else None
    server = RegistryServer(tmp_path, private=tokens is None, tokens=tokens)
    if tokens:
        tokens.start()
    server.start()
    yield server
    server.stop()
    if tokens:
        tokens.stop()
    forget(server.port)


@pytest.fixture
def hidden(private: RegistryServer) -> str:
    """An image that is in the private registry alone."""
    local = images.unheard_of()
    reference = private.push(local, "team/app")
    images.client().remove_image(local)
    return reference


def login(server: RegistryServer | SlowRoad, password: str = PASSWORD) -> RegistryLogin:
    return RegistryLogin(server=f"127.0.0.1:{server.port}", username=USER, password=password)


async def names(engine: Engine, image_id: str) -> tuple[str, ...]:
    seen = await engine_images.find(engine, image_id)
    assert seen is not None
    return (*seen.repo_tags, *seen.repo_digests)


async def code_of(stage: Stage, reference: str, **how: RegistryLogin | str) -> str:
    """How another command about it fails."""
    stage.events.clear()
    await stage.prepare(reference, release=9, **how)  # type: ignore[arg-type]
    await stage.done()
    assert not stage.all(ImageReady), f"{reference} was deployed"
    return (await stage.hear(ImageFailed)).failure.code


async def test_with_the_right_login_and_for_nobody_else(
    stage: Stage, start: Start, engine: Engine, private: RegistryServer, hidden: str
) -> None:
    await start()
    await stage.prepare(hidden, login=login(private))
    ready = await stage.hear(ImageReady)
    assert ready.digest is not None
    assert ready.digest.startswith(hidden.removesuffix(":1") + "@sha256:")
    await stage.done()
    assert await names(engine, ready.image_id) == (f"dockup/{stage.app_id}:r1",)
    stranger = ids.new("app")
    for reference in (hidden, ready.digest):
        assert await code_of(stage, reference, app_id=stranger) == "registry_auth_failed"
        assert await code_of(stage, reference, app_id=stranger, login=login(private, "wrong")) == "registry_auth_failed"
    assert await code_of(stage, f"dockup/{stage.app_id}:r1", app_id=stranger) == "image_not_found"
    stage.events.clear()
    for release, reference in enumerate((hidden, ready.digest), start=2):
        stage.events.clear()
        await stage.prepare(reference, release=release, login=login(private))
        assert (await stage.hear(ImageReady)).image_id == ready.image_id
        await stage.done()


async def test_with_a_wrong_login(stage: Stage, start: Start, private: RegistryServer, hidden: str) -> None:
    await start()
    assert await code_of(stage, hidden, login=login(private, "wrong")) == "registry_auth_failed"


async def test_a_tag_that_was_there_before_stays(stage: Stage, start: Start, engine: Engine, private: RegistryServer, hidden: str) -> None:
    """The operator has the same image under another tag of the repository."""
    other = f"{hidden.removesuffix(':1')}:mine"
    client = images.client()
    client.pull(hidden, auth_config={"username": USER, "password": PASSWORD})
    client.tag(hidden, hidden.removesuffix(":1"), "mine")
    client.remove_image(hidden)
    await start()
    await stage.prepare(hidden, login=login(private))
    ready = await stage.hear(ImageReady)
    await stage.done()
    kept = await names(engine, ready.image_id)
    assert other in kept
    assert hidden not in kept


async def test_while_it_is_pulled_nobody_else_gets_in(stage: Stage, start: Start, settings: Settings, road: SlowRoad, pushed: str) -> None:
    """The pull is slow; a command for the same repository comes meanwhile, and waits until the names are off again."""
    road.rate = 0
    reference = f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}"
    await start()
    await stage.prepare(reference, login=login(road))
    async with asyncio.timeout(10):
        await road.came.wait()
    other = ids.new("app")
    await stage.prepare(reference, app_id=other)
    road.rate = None
    await stage.done()
    both = {event.app_id: event.found for event in stage.all(ImageReady)}
    assert both == {stage.app_id: False, other: False}, "each pulled for itself"
    assert not list((Path(settings.home) / FOLDER).glob("*.pull"))


async def test_what_is_named_while_it_is_pulled_is_not_found_by_who_looked_before(
    stage: Stage, start: Start, engine: Engine, settings: Settings, pushed: str
) -> None:
    """Its question is on the way to the engine when the repository is closed, and arrives when the engine has the name."""
    gateway = Gateway(Path(settings.home) / "engine.sock", DOCKER_HOST.removeprefix("unix://"), held=f"/images/{pushed}/json".encode())
    await gateway.open()
    await start(docker_host=gateway.address)
    await stage.prepare(pushed)
    async with asyncio.timeout(PATIENCE):
        await gateway.came.wait()
    reference = parse(pushed, "app_1")
    async with Door(engine, Path(settings.home)).private(reference):
        images.client().tag(images.web(), reference.name, "1")
        gateway.let_go.set()
        await stage.put_back()
        assert stage.all(ImageReady) == []
    assert not (await stage.hear(ImageReady)).found
    await stage.done()
    gateway.cut()


async def test_a_pull_that_is_given_up_and_names_its_image_all_the_same(
    stage: Stage, start: Start, settings: Settings, road: SlowRoad, pushed: str
) -> None:
    road.rate = 0
    reference = f"127.0.0.1:{road.port}/{pushed.partition('/')[2]}"
    await start()
    await stage.prepare(reference, login=login(road))
    async with asyncio.timeout(PATIENCE):
        await road.came.wait()
    await stage.drop(1)
    await stage.done()
    images.client().tag(images.web(), reference.removesuffix(":1"), "1")
    road.rate = None
    await stage.prepare(reference, app_id=ids.new("app"))
    assert not (await stage.hear(ImageReady)).found
    await stage.done()
    assert not list((Path(settings.home) / FOLDER).glob("*.pull"))


async def test_while_it_is_pulled_nobody_builds_on_it(
    stage: Stage, start: Start, engine: Engine, settings: Settings, git_host: GitServer
) -> None:
    """The engine asks no registry for a base that it has by that name."""
    reference = parse("127.0.0.1:1/team/base:1", "app_1")
    git_host.make_repo("app", {"Dockerfile": f"FROM {reference.text}\nLABEL a={ids.new('app')}\n"})
    await start()
    async with Door(engine, Path(settings.home)).private(reference):
        images.client().tag(images.web(), reference.name, "1")
        await stage.build(git_host.url("app"))
        await stage.put_back()
        assert stage.all(ImageReady) == []
    failed = await stage.hear(ImageFailed)
    assert failed.failure.code in {"base_image_not_found", "registry_unreachable"}
    await stage.done()


async def test_who_came_in_before_it_was_closed_is_told(engine: Engine, settings: Settings) -> None:
    reference = parse("127.0.0.1:1/team/base:1", "app_1")
    door = Door(engine, Path(settings.home))
    for _ in ("unknown", "known"):
        is_open_still = await door.check(reference)
        is_open_still()
        async with Door(engine, Path(settings.home)).private(reference):
            with pytest.raises(Retry):
                await door.check(reference)
        with pytest.raises(Retry):
            is_open_still()
    is_open_still = await door.check(reference)
    door.note(reference)
    is_open_still()


async def test_what_a_killed_builder_left(stage: Stage, start: Start, engine: Engine, settings: Settings, hidden: str) -> None:
    """It had pulled and noted, and died before it took the names off."""
    home = Path(settings.home)
    images.client().pull(hidden, auth_config={"username": USER, "password": PASSWORD})
    (home / FOLDER).mkdir()
    Door(engine, home)._path(parse(hidden, "app_1")).write_text(hidden, encoding="utf-8")
    await start()
    assert await code_of(stage, hidden, app_id=ids.new("app")) == "registry_auth_failed"
    assert await engine_images.find(engine, hidden) is None


async def test_checks(stage: Stage, start: Start, private: RegistryServer) -> None:
    await start()

    async def checked(asked: RegistryLogin) -> str | None:
        query = CheckRegistry(login=Vault(SECRET_KEY).seal(asked))
        async with asyncio.timeout(20):
            while True:
                try:
                    return (await stage.bus.query("builder", "registry_check", query, RegistryChecked, timeout=15)).code
                except Exception:  # noqa: BLE001 - it is still starting
                    await asyncio.sleep(0.05)

    assert await checked(login(private)) is None
    assert await checked(login(private, "wrong")) == "registry_auth_failed"
    assert await checked(msgspec.structs.replace(login(private), server="127.0.0.1:1")) == "registry_unreachable"
    assert await checked(msgspec.structs.replace(login(private), server="10.1.2.3:5000")) == "address_refused"
    assert await checked(msgspec.structs.replace(login(private), server="169.254.169.254")) == "address_refused"


async def test_a_registry_that_may_not_be_reached(stage: Stage, start: Start, private: RegistryServer, hidden: str) -> None:
    await start(egress_allow=())
    assert await code_of(stage, hidden, login=login(private)) == "address_refused"
    assert await code_of(stage, "169.254.169.254/latest/meta-data") == "address_refused"
