"""What the runtime cannot see of one app when it starts, and the others. Only such an engine is made up here, for ours tells all."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from libs.common import subjects
from libs.common.bucket import Mirror
from libs.common.bus import Bus
from libs.common.engine.connect import Engine
from libs.common.messages.runtime import Route
from services.runtime import lookout
from services.runtime.addresses import Released
from services.runtime.fleet import Fleet
from services.runtime.networks import Networks
from services.runtime.settings import Settings
from services.runtime.world import World
from tests.unit.runtime.cases import APP, desired, release

LABELS = {
    "dockup.instance": "i",
    "dockup.app": APP,
    "dockup.project": "prj_1",
    "dockup.process": "worker",
    **{f"dockup.{name}": "1" for name in ("release", "restart", "slot", "deployment", "port", "drain")},
}
LISTED = {
    "Id": "c" * 64,
    "Names": ["/stuck"],
    "State": "running",
    "ImageID": "sha256:1",
    "Labels": LABELS,
    "NetworkSettings": {"Networks": {"n": {"IPAddress": "10.213.0.2"}}},
}
NETWORK = {
    "Id": "n" * 64,
    "Name": "dk-i-prj_1",
    "Labels": {"dockup.instance": "i", "dockup.project": "prj_1"},
    "IPAM": {"Config": [{"Subnet": "10.213.0.0/26", "Gateway": "10.213.0.1"}]},
}


class Stuck:
    """Answers as an engine with one container, which it has to lock to tell about, and cannot."""

    def __init__(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while asked := await reader.readuntil(b"\r\n\r\n"):
                path = asked.split()[1].decode()
                if "/containers/c" not in path:
                    listed = [LISTED] if "/containers/json" in path else [NETWORK]
                    body = json.dumps({"ApiVersion": "1.41"} if path == "/version" else listed)
                    head = f"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                    writer.write(f"{head}{body}".encode())

    def end(self) -> None:
        """Whoever waits for an answer waits no longer."""
        for writer in self._open:
            writer.transport.abort()


@pytest.fixture
async def fleet(home: Path, bus: Bus) -> AsyncIterator[Fleet]:
    stuck = Stuck()
    server = await asyncio.start_unix_server(stuck.answer, home / "engine.sock")
    engine = await Engine.open(f"unix://{home}/engine.sock")
    settings = Settings(home=str(home), instance="i", secret_key=Fernet.generate_key().decode(), nats_url="")
    world = World(settings, bus, engine, node="n")
    fleet = Fleet(world, {})
    world.route_mirror = Mirror(bus, subjects.ROUTES, Route)
    released = Released(home / "addresses.json")
    world.networks = Networks(engine, instance="i", pool="10.213.0.0/16", released=released, in_use=fleet.addresses)
    yield fleet
    fleet.stop()
    server.close()
    stuck.end()
    engine.close()


async def test_the_address_of_one_that_is_not_told_about_is_given_to_no_other(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no requests, so no route says that it has it."""
    monkeypatch.setattr(lookout, "_LOOK_SECONDS", 0.1)
    fleet.world.wants.entries[APP] = desired(current=release(1))
    await fleet.lookout.look()
    assert APP in fleet.lookout.unseen
    assert fleet.world.networks.take("prj_1") == "10.213.0.3"


async def test_a_wish_that_cannot_be_understood_keeps_no_other_from_its_task(fleet: Fleet) -> None:
    env = fleet.world.vault.seal(["no", "variables"])
    fleet.world.wants.entries |= {
        "app_0": msgspec.structs.replace(desired(current=msgspec.structs.replace(release(1), env=env)), app_id="app_0"),
        "app_2": msgspec.structs.replace(desired(), app_id="app_2"),
    }
    fleet.active, fleet.lookout.trouble = True, ""
    fleet._want_all()
    assert fleet._tasks.keys() == {"app_2"}
