"""Entries of the bus that do not fit: reported, passed over, and nothing of that app is touched."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.messages.api import Desired
from services.runtime.__main__ import _fleet
from services.runtime.lookout import Lookout
from services.runtime.reconcile import App
from services.runtime.settings import Settings
from services.runtime.world import World
from tests import images
from tests.conftest import DOCKER_HOST
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Stack
from tests.integration.runtime.test_faults import answers, live
from tests.unit.runtime.cases import desired


async def put(stack: Stack, bucket: str, key: str, body: bytes) -> None:
    await (await stack.bus.js.key_value(bucket)).put(key, body)


async def pings(stack: Stack, status: str, detail: str = "") -> None:
    async with asyncio.timeout(60):
        while (pong := await stack.ping()) is None or pong.status != status or detail not in pong.detail:
            await asyncio.sleep(0.05)


def later(wish: Desired) -> bytes:
    return msgspec.json.encode({**msgspec.to_builtins(wish), "v": 2, "intent": "deleted", "revision": 99})


@pytest.mark.parametrize("body", [b"{broken", b'{"app_id":7}', None], ids=["no JSON", "another shape", "a later version"])
async def test_a_wish_that_cannot_be_read_freezes_its_app_alone(stack: Stack, body: bytes | None) -> None:
    app_id = await live(stack)
    await put(stack, subjects.DESIRED, app_id, body or later(stack.desired[app_id]))
    await pings(stack, "degraded", f"desired/{app_id}")
    await answers(stack, app_id)
    [container] = await stack.containers(app_id)
    await containers.remove(stack.engine, container.id)
    await live(stack)  # another one comes up meanwhile
    assert await stack.containers(app_id) == []
    # Nor does it end a runtime that starts.
    stack.kill_runtime()
    stack.launch()
    await pings(stack, "degraded", f"desired/{app_id}")
    await live(stack)
    assert await stack.containers(app_id) == []
    await stack.want(app_id)
    await answers(stack, app_id)
    await pings(stack, "ok")


async def test_what_routers_wrote_is_passed_over(stack: Stack) -> None:
    app_id = await live(stack)
    for bucket, key in ((subjects.ROUTES, app_id), (subjects.APPLIED, f"{app_id}.rtr_x"), (subjects.LEASES, "router.rtr_x")):
        await put(stack, bucket, key, b'{"v":"x"}')
    # Its own entry it writes again; the others' are theirs to mend.
    await pings(stack, "degraded", "entries of the bus cannot be read")
    await until(lambda: stack.routes.entries.get(app_id) is not None and app_id not in stack.routes.unread)
    assert (await stack.deploy(app_id, stack.release(2, images.web(), env={"VERSION": "two"}))).name == "ReleaseLive"


@pytest.mark.long
async def test_a_lease_that_cannot_be_read_is_waited_for(stack: Stack) -> None:
    await live(stack)
    stack.kill_runtime()
    bucket = await stack.bus.js.key_value(subjects.LEASES)
    key = next(key for key in await bucket.keys() if key.startswith("runtime."))
    await bucket.put(key, b"{broken")
    stack.launch()
    await until(lambda: "runtime.lease_unread" in _log(stack))
    await pings(stack, "ok")


def _log(stack: Stack) -> str:
    return (stack.home / "runtime.log").read_text(encoding="utf-8")


async def test_an_app_may_go_while_another_is_looked_at(tmp_path: Path, bus: Bus, engine: Engine) -> None:
    settings = Settings(
        home=str(tmp_path), docker_host=DOCKER_HOST, instance="t-misfits", secret_key=Fernet.generate_key().decode(), nats_url=""
    )
    world = World(settings, bus, engine, node="n")
    fleet = _fleet(world, tmp_path)
    first, second = desired(), msgspec.structs.replace(desired(), app_id="app_2")
    for wish in (first, second):
        world.wants.take(wish.app_id, msgspec.Raw(msgspec.json.encode(wish)))

    def app_for(app_id: str) -> App | None:
        found = fleet._app_for(app_id)
        fleet.forget(second.app_id)
        return found

    lookout = Lookout(world, {}, apps=fleet.apps, app_for=app_for, on_back=lambda: None, on_seen=lambda _app_id: None)
    await lookout.look()
    assert list(fleet.apps) == [first.app_id]
