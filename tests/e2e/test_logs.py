"""Logs of apps: kept after the end, summed up, and refused where the question makes no sense."""

import asyncio
import contextlib
import json
import secrets
import signal
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from libs.common import clock
from libs.common.secrets import MASK
from tests import images
from tests.e2e.conftest import WAIT, Desk, Json
from tests.stack import Stack, eventually
from tests.stack.lines import Lines, dial, listening

NONSENSE = {
    "tail=0": (400, "validation_failed", "/tail"),
    "tail=10001": (400, "validation_failed", "/tail"),
    "tail=many": (400, "validation_failed", "/tail"),
    "since=yesterday": (400, "validation_failed", "/since"),
    "since=2030-01-01T00:00:00": (400, "validation_failed", "/since"),
    "stream=both": (400, "validation_failed", "/stream"),
    "replica=nobody": (404, "not_found", None),
    "deployment_id=dep_of_nobody": (404, "not_found", None),
    "view=all": (400, "validation_failed", "/view"),
    "max_bytes=5000": (400, "validation_failed", "/max_bytes"),
    "view=summary&max_bytes=10": (400, "validation_failed", "/max_bytes"),
    "lines=3": (400, "unknown_parameter", "/lines"),
}


@pytest.mark.usefixtures("stack")
async def test_a_crash_is_read_after_its_container_is_gone(desk: Desk) -> None:
    """As lines, as text, and summed up; of one stream, and not of what makes no sense."""
    script = "for i in 1 2 3; do echo request $i took 1$i ms; done; echo 'ERROR: no database at 10.0.0.7' >&2; exit 3"
    app = await desk.app(images.shell(), command=["-c", script])
    await desk.fail(app["slug"])

    async def is_gone() -> bool:
        return desk.stack.leftovers().containers(app["id"]) == []

    await eventually(is_gone, what="the container to go")
    path = f"/apps/{app['slug']}/logs"
    said = [(line["stream"], line["message"]) for line in (await desk.call("GET", path))["items"]]
    requests = [("stdout", f"request {number} took 1{number} ms") for number in (1, 2, 3)]
    error = ("stderr", "ERROR: no database at 10.0.0.7")
    assert sorted(said) == sorted([*requests, error])
    errors = await desk.call("GET", path, params={"stream": "stderr", "tail": 1})
    assert [(line["stream"], line["message"]) for line in errors["items"]] == [error]

    summary = await desk.call("GET", path, params={"view": "summary", "max_bytes": 2000})
    assert (summary["lines"], summary["errors"], summary["omitted"]) == (4, 1, {"groups": 0, "lines": 0})
    groups = [(group["level"], group["count"], group["message"]) for group in summary["items"]]
    assert groups == [("error", 1, error[1]), ("info", 3, requests[-1][1])]
    text = await desk.api.get(path, params={"view": "summary"}, headers={"Accept": "text/plain"})
    assert [line.partition(" ")[0] for line in text.text.splitlines()] == ["4", "ERROR", "INFO"]

    for query, (status, code, pointer) in NONSENSE.items():
        answer = await desk.api.get(f"{path}?{query}")
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), f"{query}: {problem}"
        assert problem["hint"]
        assert pointer is None or [error["pointer"] for error in problem["errors"]] == [pointer], f"{query}: {problem}"


SECRET = "correct-horse-battery"
COUNTS = (
    '/web serve & trap "echo bye; exit 0" TERM; echo "$VERSION 0 $API_TOKEN"; '
    'while :; do i=$((i+1)); echo "$VERSION $i"; busybox usleep 20000; done'
)


async def counting(desk: Desk, **fields: Any) -> Json:
    """An app that counts aloud, fifty times a second, and says goodbye."""
    env = {"VERSION": "one", "API_TOKEN": SECRET, **fields.pop("env", {})}
    return await desk.live(images.shell(), command=["-c", COUNTS], env=env, drain_seconds=1, **fields)


def replicas(lines: Lines) -> list[str]:
    return list(dict.fromkeys(line["replica"] for line in lines.all))


def has_no_hole(said: list[str]) -> None:
    """Each number is one more than the one before; the last may be the goodbye."""
    numbers = [int(text.split()[1]) for text in said if text != "bye"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), said
    assert "bye" not in said[:-1]


async def test_a_stream_goes_on_over_redeploys_restarts_and_other_numbers_of_replicas(desk: Desk) -> None:
    app = await counting(desk)
    async with listening(desk.stack, app["slug"], tail=5) as lines:
        await lines.until(lambda it: len(it.all) > 50)
        await desk.call("PUT", f"/apps/{app['slug']}", json={"replicas": 2})
        await lines.until(lambda it: len(replicas(it)) == 2)
        await desk.call("PUT", f"/apps/{app['slug']}", json={"env": {"VERSION": "two"}})
        await desk.deploy(app["slug"])
        await lines.until(lambda it: it.messages.count("bye") == 2)
        await desk.call("POST", f"/apps/{app['slug']}/restart", params={"wait": WAIT})
        await lines.until(lambda it: it.messages.count("bye") == 4)
        await desk.call("POST", f"/apps/{app['slug']}/stop", params={"wait": WAIT})
        await lines.until(lambda it: it.messages.count("bye") == 6)
    names = replicas(lines)
    assert len(names) == 6
    for number, name in enumerate(names):
        said = lines.of(name)
        has_no_hole(said)
        assert said[-1] == "bye"
        assert number == 0 or said[0] == f"{said[0].split()[0]} 0 {MASK}"
    moments = [clock.parse(line["at"]) for line in lines.all]
    late = [newest - moment for newest, moment in zip(accumulate(moments, max), moments, strict=True)]
    assert max(late) < timedelta(seconds=1), "merged in order, but for a replica that is just coming"
    assert SECRET not in str(lines.all)
    assert all(line.keys() == {"at", "stream", "replica", "message"} for line in lines.all)


async def closed(lines: Lines, seconds: float) -> tuple[int, str]:
    """The code and the reason that the server gives."""
    async with asyncio.timeout(seconds):
        await lines.socket.wait_closed()
    return lines.socket.close_code or 0, lines.socket.close_reason or ""


async def test_streams_end_with_their_token_and_their_app(desk: Desk) -> None:
    app = await counting(desk)
    key = await desk.call("POST", "/api-keys", json={"name": "logs", "scopes": ["read"]})
    async with listening(desk.stack, app["id"], token=key["key"]) as lines:
        await lines.until(lambda it: it.all)
        assert (await desk.api.delete(f"/api-keys/{key['id']}")).is_success
        assert await closed(lines, 5) == (1008, "unauthenticated")
    async with listening(desk.stack, app["id"]) as lines:
        await lines.until(lambda it: it.all)
        await desk.api.delete(f"/apps/{app['slug']}", params={"wait": WAIT})
        assert await closed(lines, 5) == (1008, "not_found")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.long)])
async def test_a_stream_ends_with_the_runtime_and_goes_on_from_its_last_line(desk: Desk, number: signal.Signals) -> None:
    app = await counting(desk)
    async with listening(desk.stack, app["id"], tail=1) as lines:
        await lines.until(lambda it: len(it.all) > 50)
        pid = desk.stack.kill("runtime", number)
        assert await closed(lines, 30) == (1011, "runtime_stopped" if number == signal.SIGTERM else "peer_lost")
    desk.stack.wait_for_another("runtime", pid)

    async def takes_streams() -> bool:
        """The status may be ok a moment before the new runtime knows the app."""
        with contextlib.suppress(InvalidStatus):
            async with dial(desk.stack, app["id"], tail=1):
                return True
        return False

    await eventually(takes_streams, what="the runtime to take streams")
    async with listening(desk.stack, app["id"], since=lines.all[-1]["at"]) as more:
        await more.until(lambda it: len(it.all) > 50)
    assert more.all[0] == lines.all[-1]
    has_no_hole([*lines.messages, *more.messages[1:]])


async def test_streams_that_make_no_sense(desk: Desk) -> None:
    app = await desk.app()
    refused = {query: answer for query, answer in NONSENSE.items() if query.partition("=")[0] in {"tail", "since", "stream", "replica"}}
    for query, (status, code, pointer) in {**refused, "follow=1": (400, "unknown_parameter", "/follow")}.items():
        name, _, value = query.partition("=")
        with pytest.raises(InvalidStatus) as caught:
            async with dial(desk.stack, app["id"], **{name: value}):
                pass
        answer = caught.value.response
        problem = json.loads(answer.body)
        assert (answer.status_code, problem["code"]) == (status, code), f"{query}: {problem}"
        assert pointer is None or [error["pointer"] for error in problem["errors"]] == [pointer], f"{query}: {problem}"
    answer = await desk.api.get(f"/apps/{app['slug']}/logs/stream")
    assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")


def newest(lines: Lines) -> int:
    return int(lines.all[-1]["message"].split()[1])


def connections(stack: Stack) -> list[int]:
    """Of the API and the runtime."""
    folders = [Path(f"/proc/{stack.pid(name)}/fd") for name in ("api", "runtime")]
    return [sum(str(link.readlink()).startswith("socket:") for link in folder.iterdir() if link.is_symlink()) for folder in folders]


@pytest.mark.long
@pytest.mark.parametrize("many", [20, 200])
async def test_many_streams_of_one_app(desk: Desk, many: int) -> None:
    """All have the same lines, its log is read once, and who goes in the middle leaves nothing behind."""
    app = await counting(desk)

    async def read() -> list[int]:
        async with AsyncExitStack() as held:
            readers = await asyncio.gather(*(held.enter_async_context(listening(desk.stack, app["id"], tail=1)) for _ in range(many)))
            await asyncio.gather(*(reader.until(lambda it: len(it.all) > 50) for reader in readers))
            last = newest(readers[0])
            await asyncio.gather(*(reader.until(lambda it: newest(it) >= last) for reader in readers))
            during = connections(desk.stack)
            for reader in readers:
                has_no_hole(reader.messages)
                reader.socket.transport.abort()
        return during

    await read()

    async def is_calm() -> bool:
        seen = connections(desk.stack)
        await asyncio.sleep(0.5)
        return seen == connections(desk.stack)

    await eventually(is_calm, 15, what="a calm after the first readers")
    before = connections(desk.stack)
    during = await read()
    assert during[0] >= many
    assert during[1] - before[1] < many // 2, "the runtime holds one connection to the engine, however many read"

    async def is_left_nothing() -> bool:
        # The proxy keeps some idle connections to the API for the next requests.
        return all(now <= then + many // 2 for now, then in zip(connections(desk.stack), before, strict=True))

    await eventually(is_left_nothing, 15, what="the connections of those who went to be gone")


MANY_SECRETS = {f"API_TOKEN_{number}": secrets.token_hex(20) for number in range(600)}
"""Whose lines are looked through for so many takes a processor several times as long to read as the engine takes to bring them,
whatever the machine: the runtime's share of it is not enough for a flood of them."""


@pytest.mark.long
async def test_an_app_that_writes_more_than_can_be_read_slows_nobody(desk: Desk) -> None:
    """Nor itself: it writes on. Who listens to it is told what is missing, and has what comes after."""
    quiet = await counting(desk)
    script = f"/web serve & sleep 3; exec busybox yes {'x' * 500}"
    flood = await desk.live(images.shell(), command=["-c", script], env=MANY_SECRETS, drain_seconds=1)
    async with (
        listening(desk.stack, quiet["id"], tail=1) as lines,
        listening(desk.stack, flood["id"], tail=1) as flooded,
        asyncio.timeout(120),
    ):
        await lines.until(lambda it: it.all)
        missed, after, until = 0, 0, len(lines.all) + 400
        while not (missed and after) or len(lines.all) < until:
            await desk.get(quiet["slug"])
            taken, flooded.all = flooded.all, []
            for line in taken:
                missed += line.get("lines", 0)
                after += bool(missed and "message" in line)
            await asyncio.sleep(0.02)
    has_no_hole(lines.messages)


@pytest.mark.long
async def test_a_reader_that_stands_still_is_told_how_many_lines_it_missed(desk: Desk) -> None:
    counts = 'BEGIN { while (1) { for (k = 0; k < 400; k++) print "many", ++i, "of some eighty bytes, as the lines of a log have mostly"; '
    script = f"/web serve & busybox awk '{counts}fflush(); system(\"busybox usleep 15000\") }} }}'"
    app = await desk.live(images.shell(), command=["-c", script], drain_seconds=1)
    async with listening(desk.stack, app["id"], tail=1) as fast, dial(desk.stack, app["id"], tail=1, compression=None) as slow:
        await fast.until(lambda it: len(it.all) > 250_000, 120)
        has_no_hole(fast.messages)
        missed, last, seen = 0, 0, 0
        async with asyncio.timeout(60):
            while seen < 1000 or not missed:
                line = json.loads(await slow.recv())
                if "message" in line:
                    number = int(line["message"].split()[1])
                    assert not last or number == last + 1 + missed
                    last, seen, missed = number, seen + 1, 0
                else:
                    assert line.keys() == {"type", "lines"}
                    missed, seen = missed + line["lines"], 1000
