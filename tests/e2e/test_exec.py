"""A shell and programs in running replicas, through the proxy, on real containers."""

import asyncio
import json
import os
import secrets
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests import images
from tests.e2e.conftest import WAIT, Desk, Json
from tests.stack import Stack, eventually
from tests.stack.terminal import terminal


@pytest.fixture
async def app(desk: Desk) -> Json:
    return await desk.live(replicas=2)


def is_alive(marker: str) -> bool:
    """Whether a process of this machine, in whatever container, has the marker among its arguments."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if int(path.parent.name) != os.getpid() and marker.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


async def test_a_shell_with_a_terminal(stack: Stack, app: Json) -> None:
    async with terminal(stack, app["slug"]) as shell:
        await shell.control(type="resize", cols=123, rows=45)
        await shell.type("stty size; echo $((40+2))-$TERM\n")
        shown = await shell.until("42-xterm-256color")
        assert "45 123" in shown
        await shell.control(type="resize", cols=80, rows=24)
        await shell.control(type="stdin", data="stty size\n")
        await shell.until("24 80")
        await shell.type("exit 7\n")
        assert await shell.end() == {"type": "exit", "code": 7}
        assert shell.closed == 1000


async def test_a_program_without_a_terminal(stack: Stack, app: Json) -> None:
    """Ten megabytes go through `cat` unchanged; output and errors are apart; the exit code arrives."""
    sent = secrets.token_bytes(10_000_000)
    async with terminal(stack, app["slug"], cmd="cat", tty="false") as cat:

        async def feed() -> None:
            for start in range(0, len(sent), 100_000):
                await cat.socket.send(sent[start : start + 100_000])
            await cat.control(type="stdin", eof=True)

        feeding = asyncio.create_task(feed())
        assert await cat.end() == {"type": "exit", "code": 0}
        await feeding
        assert cat.output == sent
    async with terminal(stack, app["slug"], cmd="/bin/sh -c 'echo out; echo Ärger >&2; exit 7'", tty="false") as program:
        assert await program.end() == {"type": "exit", "code": 7}
        assert (program.output, program.errors) == (b"out\n", "Ärger\n")


async def test_any_replica_by_its_name(desk: Desk, stack: Stack, app: Json) -> None:
    names = {it["replica"] for it in (await desk.call("GET", f"/apps/{app['slug']}/stats"))["replicas"]}
    assert len(names) == 2
    for name in names:
        async with terminal(stack, app["slug"], replica=name, cmd="true") as program:
            assert program.replica == name
            assert await program.end() == {"type": "exit", "code": 0}


REFUSALS: list[tuple[dict[str, str], int, str, str]] = [
    ({"replica": "dk-none"}, 404, "not_found", "no replica dk-none"),
    ({"process": "none"}, 404, "not_found", "there are those of web"),
    ({"cmd": "no-such-shell"}, 422, "exec_failed", "no-such-shell could not be started"),
    ({"cmd": "/bin/no-such-shell", "tty": "false"}, 422, "exec_failed", "no such file"),
    ({"cmd": "'"}, 400, "validation_failed", "words"),
    ({"cmd": ""}, 400, "validation_failed", "names no program"),
    ({"tty": "yes"}, 400, "validation_failed", "true or false"),
    ({"shell": "sh"}, 400, "unknown_parameter", "shell"),
]


async def refusal(stack: Stack, app: str, **query: str) -> tuple[int, Json]:
    with pytest.raises(InvalidStatus) as refused:
        async with terminal(stack, app, **query):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"{}")


async def test_refusals_are_answers(stack: Stack, app: Json) -> None:
    for query, status, code, said in REFUSALS:
        found, problem = await refusal(stack, app["slug"], **query)
        assert (found, problem["code"]) == (status, code), problem
        assert said in problem["detail"], problem


async def test_a_stopped_app_cannot_be_entered(desk: Desk, stack: Stack) -> None:
    app = await desk.app()
    found, problem = await refusal(stack, app["slug"])
    assert (found, problem["code"]) == (409, "app_not_running"), problem


async def test_what_runs_ends_with_its_session(desk: Desk, stack: Stack, app: Json) -> None:
    """The engine would leave it running: a client that goes takes it along, with what it began."""
    marker = f"98{secrets.randbelow(10**9)}"

    async def alive() -> bool:
        return is_alive(marker)

    async def gone() -> bool:
        return not is_alive(marker)

    for query in ({}, {"tty": "false"}):
        async with terminal(stack, app["slug"], **query) as shell:
            await shell.type(f"trap '' HUP TERM; sleep {marker} & echo up; sleep {marker}1\n")
            await shell.until("up\n" if query else "up\r\n")
            await eventually(alive, 10, what="what was typed")
        await eventually(gone, 10, what="the end of what ran")

    async def audited() -> list[Json]:
        entries: list[Json] = (await desk.call("GET", "/audit", params={"target": app["id"], "limit": 10}))["items"]
        return [entry for entry in entries if entry["action"].startswith("exec.")] if entries[0]["action"] == "exec.ended" else []

    ended, started = (await eventually(audited, what="the audit"))[:2]
    assert (started["action"], ended["action"]) == ("exec.started", "exec.ended")
    assert started["request_id"] == ended["request_id"]
    assert started["actor"].startswith("key:")
    assert "/bin/sh" in started["detail"]
    assert ended["detail"] == f"{started['detail']}: left"


async def test_it_ends_with_its_token_its_replica_and_its_app(desk: Desk, stack: Stack, app: Json) -> None:
    key = await desk.call("POST", "/api-keys", json={"name": "for a shell", "scopes": ["write"]})
    async with terminal(stack, app["slug"], token=key["key"]) as shell:
        await shell.type("echo in\n")
        await shell.until("in\r\n")
        assert (await desk.api.delete(f"/api-keys/{key['id']}")).is_success
        assert (await shell.end(5))["reason"] == "unauthenticated"
        assert shell.closed == 1008
    async with terminal(stack, app["slug"]) as shell:
        await shell.type("echo in\n")
        await shell.until("in\r\n")
        images.client().kill(shell.replica)
        exit_frame = await shell.end(10)
        assert (exit_frame["reason"], exit_frame["code"], shell.closed) == ("replica_ended", 137, 1000)

    async def serves() -> bool:
        return bool((await desk.get(app["slug"]))["current_replicas"] == 2)

    await eventually(serves, WAIT)
    async with terminal(stack, app["slug"]) as shell:
        await shell.type("echo in\n")
        await shell.until("in\r\n")
        assert (await desk.api.delete(f"/apps/{app['slug']}")).is_success
        assert (await shell.end(5))["reason"] in {"app_deleting", "not_found", "replica_ended"}


@pytest.mark.long
@pytest.mark.parametrize("victim", ["api", "runtime"])
async def test_what_runs_ends_though_a_side_is_killed(desk: Desk, stack: Stack, app: Json, victim: str) -> None:
    """Ten seconds after the API died, or as soon as the runtime is back; the client of a dead runtime is told."""
    marker = f"97{secrets.randbelow(10**9)}"

    async def alive() -> bool:
        return is_alive(marker)

    async def gone() -> bool:
        return not is_alive(marker)

    async with terminal(stack, app["slug"]) as shell:
        await shell.type(f"trap '' HUP TERM; sleep {marker}\n")
        await eventually(alive, 10, what="what was typed")
        pid = stack.kill(victim)
        exit_frame = await shell.end(12)
        assert exit_frame.get("reason") == ("peer_lost" if victim == "runtime" else None)
    await eventually(gone, 15, what="the end of what ran")
    stack.wait_for_another(victim, pid)

    async def audited() -> str:
        ended = {"target": app["id"], "action": "exec.ended"}
        items = (await desk.call("GET", "/audit", params=ended))["items"]
        return items[0]["detail"].rpartition(": ")[2] if items else ""

    assert await eventually(audited, 30, what="the audit") == ("peer_lost" if victim == "api" else "runtime_stopped")
