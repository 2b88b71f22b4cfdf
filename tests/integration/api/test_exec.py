"""The way of a terminal through the API, on both databases: who may enter, how long, and how it ends.

The other side is the runtime's own `Sessions` on the bus, with a kind that says everything back.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.common.live import channel as channel_module
from libs.common.live.channel import Channel
from libs.common.live.dial import dial
from libs.common.messages.sessions import END_OF_INPUT, ERRORS, RESIZE, Behind, Ended, ExecRequest
from services.runtime.endings import Endings
from services.runtime.ledger import Ledger
from services.runtime.sessions import Kind, Refusal, Session, Sessions
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
IDLE, MOST = 1.8, 2.0


@pytest.fixture(scope="module")
def api_settings() -> Json:
    return {"exec_idle_seconds": IDLE, "exec_max_seconds": MOST}


class Echo:
    """What the runtime was asked, and the channels that it holds."""

    def __init__(self) -> None:
        self.asked: list[ExecRequest] = []
        self.held: list[Channel] = []

    async def open(self, _app_id: str, request: msgspec.Raw) -> Session:
        asked = msgspec.json.decode(request, type=ExecRequest)
        self.asked.append(asked)
        if asked.command[0] == "refused":
            raise Refusal("app_not_running", "It does not run.")
        return Session(serve=self.serve, replica="r1")

    async def serve(self, channel: Channel) -> Ended:
        self.held.append(channel)
        try:
            while (frame := await channel.receive()) is not None:
                if frame.tag == END_OF_INPUT:
                    return Ended(reason="exit", code=3)
                if frame.tag == RESIZE:
                    await channel.put(b"size " + frame.body)
                elif frame.body.startswith(b"!"):
                    await channel.put(frame.body, ERRORS)
                else:
                    await channel.send(frame.body)
        finally:
            self.held.remove(channel)
        return Ended(reason="unheard")


@pytest_asyncio.fixture(loop_scope="module")
async def sessions(world: World, home: Path) -> AsyncIterator[tuple[Echo, Sessions]]:
    echo = Echo()
    sessions = Sessions(world.runtime, {"exec": Kind(open=echo.open, most=2)}, Endings(world.runtime, str(home)))
    end = await world.runtime.serve("open", sessions.open)
    yield echo, sessions
    await end()
    await sessions.close()


def enter(api: ApiServer, app: Json, token: str = "", **query: str) -> connect:
    token = token or api.client.headers["Authorization"].removeprefix("Bearer ")
    asked = urlencode({"token": token, **query})
    return connect(f"{api.url.replace('http', 'ws', 1)}/api/v1/apps/{app['slug']}/exec?{asked}")


async def end_of(socket: ClientConnection, seconds: float = 20) -> tuple[int | None, Json]:
    last: Json = {}
    async with asyncio.timeout(seconds):
        try:
            while True:
                message = await socket.recv()
                last = json.loads(message) if isinstance(message, str) else last
        except ConnectionClosed:
            return socket.close_code, last


async def test_no_secret_that_was_typed_is_in_the_audit(api: ApiServer, app: Json, sessions: tuple[Echo, Sessions]) -> None:
    """What the process gets is what was typed."""
    own = f"/projects/{app['project_id']}/env"
    await api.client.put(own, json={"DB_PASSWORD": "everybodys-words"})
    await api.client.put(
        f"/apps/{app['id']}/env", json={"API_TOKEN": "apps-own-words", "MARKED": "apps-own-mark", "HOST": "db.example.com"}
    )
    await api.client.put(f"/apps/{app['id']}", json={"env_secret": ["MARKED"]})
    typed = "curl db.example.com -d 'everybodys-words apps-own-words apps-own-mark'; PGPASSWORD=typed psql"
    async with asyncio.timeout(10), enter(api, app, cmd=f'sh -c "{typed}"', tty="false") as socket:
        assert sessions[0].asked[-1].command == ("sh", "-c", typed)
        await socket.send('{"type":"stdin","data":"","eof":true}')
        await end_of(socket)

    async def told() -> list[str]:
        entries = (await api.client.get("/audit", params={"target": app["id"]})).json()["items"]
        found = [entry["detail"] for entry in entries if entry["action"].startswith("exec.")]
        return found if len(found) == 2 else []

    for detail in await eventually(told, what="the audit"):
        assert "curl db.example.com -d" in detail
        assert not [word for word in ("everybodys", "apps-own", "PGPASSWORD=typed") if word in detail]


async def test_frames_go_both_ways(api: ApiServer, app: Json, sessions: tuple[Echo, Sessions]) -> None:
    async with asyncio.timeout(10), enter(api, app, cmd="psql -c 'select 1'", tty="false", replica="r1", process="worker") as socket:
        assert sessions[0].asked[-1] == ExecRequest(command=("psql", "-c", "select 1"), tty=False, replica="r1", process="worker")
        said: list[tuple[str | bytes, str | bytes]] = [
            (b"\x00\xff", b"\x00\xff"),
            ("plain", b"plain"),
            ('{"type":"stdin","data":"typed"}', b"typed"),
            ('{"type":"resize","cols":80,"rows":24}', b'size {"cols":80,"rows":24}'),
            ('{"type":"resize","cols":0,"rows":24}', b'{"type":"resize","cols":0,"rows":24}'),
            ('{"type":"other"}', b'{"type":"other"}'),
            ("!Ä", '{"type":"stderr","data":"!Ä"}'),
        ]
        for sent, expected in said:
            await socket.send(sent)
            assert await socket.recv() == expected
        await socket.send('{"type":"stdin","data":"last","eof":true}')
        assert await socket.recv() == b"last"
        assert await end_of(socket) == (1000, {"type": "exit", "code": 3})
        assert socket.response
        assert socket.response.headers["Dockup-Replica"] == "r1"


async def test_who_may_not_enter(api: ApiServer, app: Json, sessions: tuple[Echo, Sessions]) -> None:
    reader = (await api.client.post("/api-keys", json={"name": "reads", "scopes": ["read"]})).json()["key"]
    cases: list[tuple[Json, Json, int, str]] = [
        (app, {"token": "dkp_" + "x" * 43}, 401, "unauthenticated"),
        (app, {"token": reader}, 403, "forbidden"),
        ({"slug": "nobody-has-it"}, {}, 404, "not_found"),
        (app, {"cmd": "refused"}, 409, "app_not_running"),
        (app, {"cmd": "\0"}, 400, "validation_failed"),
        (app, {"tty": "maybe"}, 400, "validation_failed"),
        (app, {"replica": ""}, 400, "validation_failed"),
        (app, {"process": "x" * 21}, 400, "validation_failed"),
        (app, {"size": "1"}, 400, "unknown_parameter"),
    ]
    for target, query, status, code in cases:
        with pytest.raises(InvalidStatus) as refused:
            async with enter(api, target, **query):
                pass
        body = json.loads(refused.value.response.body or b"{}")
        assert (refused.value.response.status_code, body["code"]) == (status, code), body
    async with enter(api, app), enter(api, app):
        with pytest.raises(InvalidStatus) as refused:
            async with enter(api, app):
                pass
        assert (refused.value.response.status_code, json.loads(refused.value.response.body or b"{}")["code"]) == (429, "too_many_sessions")
    plain = await api.client.get(f"/apps/{app['slug']}/exec")
    assert (plain.status_code, plain.json()["code"]) == (426, "upgrade_required")
    unset = (await api.client.get(f"/apps/{app['slug']}/codex")).json()
    assert (unset["status"], unset["code"], "DOCKUP_CODEX_IMAGE" in unset["detail"]) == (409, "codex_not_configured", True)


async def test_how_it_ends(api: ApiServer, app: Json, sessions: tuple[Echo, Sessions]) -> None:
    """By idleness, by its time, with its token, and with the runtime; each is told, and in the audit."""
    echo, runtime = sessions
    key = (await api.client.post("/api-keys", json={"name": "for a while", "scopes": ["write"]})).json()
    async with enter(api, app) as quiet, enter(api, app, token=key["key"]) as revoked:
        assert (await api.client.delete(f"/api-keys/{key['id']}")).is_success
        assert (await end_of(revoked))[1]["reason"] == "unauthenticated"
        assert revoked.close_code == 1008
        code, frame = await end_of(quiet)
        assert (code, frame["code"], frame["reason"]) == (1000, None, "idle")
    async with enter(api, app) as busy:

        async def chatter() -> None:
            while True:
                await busy.send("x")
                await asyncio.sleep(0.5)

        talking = asyncio.create_task(chatter())
        assert (await end_of(busy))[1]["reason"] == "time_limit"
        talking.cancel()
    async with enter(api, app) as cut:
        await runtime.close()
        assert await end_of(cut) == (1011, {"type": "exit", "code": None, "reason": "runtime_stopped"})

    async def lets_go() -> bool:
        return not echo.held

    await eventually(lets_go, what="the runtime's side to let go")

    async def told() -> Json | None:
        """The end is in the audit a moment after the client has heard of it."""
        entries = (await api.client.get("/audit", params={"target": app["id"], "action": "exec.ended"})).json()["items"]
        reasons = [entry["detail"].rpartition(": ")[2] for entry in entries]
        return entries[-1] if reasons == ["runtime_stopped", "time_limit", "idle", "unauthenticated"] else None

    first = await eventually(told, what="the audit")
    assert first["actor"] == "key:for a while"


async def test_it_ends_with_its_app(api: ApiServer, app: Json, sessions: tuple[Echo, Sessions]) -> None:
    async with enter(api, app) as socket:
        assert (await api.client.delete(f"/apps/{app['slug']}")).is_success
        assert (await end_of(socket))[1]["reason"] == "app_deleting"

    async def told() -> bool:
        entries = (await api.client.get("/audit", params={"target": app["id"], "action": "exec.ended"})).json()["items"]
        return [entry["detail"].rpartition(": ")[2] for entry in entries] == ["app_deleting"]

    await eventually(told, what="the audit")


def behind(app: Json, what: str) -> Behind:
    return Behind(project_id=app["project_id"], what=what, actor="user:ada", address="203.0.113.9", request_id="req_1", user_id="usr_1")


async def told_of(api: ApiServer, app: Json, what: str) -> Json:
    """The one line that tells how it ended."""

    async def ask() -> list[Json]:
        entries: list[Json] = (await api.client.get("/audit", params={"target": app["id"], "action": "exec.ended"})).json()["items"]
        return [entry for entry in entries if what in entry["detail"]]

    (one,) = await eventually(ask, 15, what=f"the end of {what}")
    return one


async def test_the_end_is_told_though_the_api_was_killed(
    api: ApiServer, app: Json, sessions: tuple[Echo, Sessions], bus_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is cut and never comes again; the runtime notices, and another API writes it."""
    monkeypatch.setattr(channel_module, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(channel_module, "SILENCE_SECONDS", 0.9)
    mortal = await Bus.connect(bus_server.url, "api")
    async with dial(mortal, "exec", app["id"], ExecRequest(command=("psql",)), by=behind(app, "psql")):
        await mortal.client.close()
        line = await told_of(api, app, "psql")
    assert line["detail"] == "r1: psql: peer_lost"
    assert (line["actor"], line["address"], line["request_id"]) == ("user:ada", "203.0.113.9", "req_1")
    await mortal.close()


async def test_the_end_is_told_though_nothing_can_be_noted(api: ApiServer, world: World, app: Json, tmp_path: Path) -> None:
    """As on a full disk: people are let in all the same."""
    endings = Endings(world.runtime, str(tmp_path))
    (tmp_path / "runtime/endings").rmdir()
    endings.ended(endings.begun(app["id"], "exec", behind(app, "df")), "r1", Ended(reason="exit", code=0))
    assert (await told_of(api, app, "df"))["detail"] == "r1: df: exit 0"


async def test_the_end_is_told_though_the_runtime_was_killed(api: ApiServer, world: World, app: Json, tmp_path: Path) -> None:
    """By the next one, and once, however often it is said."""
    lost = Endings(world.runtime, str(tmp_path))
    lost.begun(app["id"], "exec", behind(app, "sh"))
    lost.dropped(lost.begun(app["id"], "exec", behind(app, "refused")))
    again = Endings(world.runtime, str(tmp_path))
    await Sessions(world.runtime, {}, again).recover()
    assert (await told_of(api, app, ": sh"))["detail"].endswith(": sh: runtime_stopped")
    await again.close()
    assert not Ledger(str(tmp_path), "endings").all()
    event = again.begun(app["id"], "exec", behind(app, "twice"))
    event = msgspec.structs.replace(event, at="2026-01-01T00:00:00.000Z")
    for number in range(2):
        await world.runtime.publish(subjects.event("runtime", event, app["id"]), event, f"{event.event_id}-{number}")
    await world.runtime.say(msgspec.structs.replace(event, event_id=ids.new("end"), by=behind(app, "last")), app["id"])
    await told_of(api, app, "last")
    await told_of(api, app, "twice")
    ended = (await api.client.get("/audit", params={"target": app["id"], "action": "exec.ended"})).json()["items"]
    assert len(ended) == 3, "one that never began has no end"
