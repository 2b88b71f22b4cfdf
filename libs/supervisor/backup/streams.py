"""Streams of the bus that hold what is nowhere else, as snapshots (NATS ADR-8: `$JS.API.STREAM.SNAPSHOT` and `.RESTORE`).

The buckets and COMMANDS come back from SQL, and what EVENTS told stands in the feed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import nats
import nats.errors
from nats.aio.client import Client

from libs.common import subjects
from libs.supervisor.problem import Problem

KEPT = (subjects.LOGS, subjects.DEADLETTER)
_CHUNK = 128 * 1024
_SECONDS = 30.0
_FAULTS = (nats.errors.Error, OSError, TimeoutError)


class Described(msgspec.Struct):
    """What a restore is told of its stream, in the server's own words."""

    config: dict[str, Any]
    state: dict[str, Any]


class _Answer(msgspec.Struct):
    error: dict[str, Any] | None = None
    config: dict[str, Any] = {}
    state: dict[str, Any] = {}
    deliver_subject: str = ""


async def save(url: str, folder: Path) -> list[str]:
    """Write `{stream}.json` and `{stream}.snapshot` for each kept stream that is there; return their names."""
    client = await _connect(url, "_INBOX_setup")
    try:
        return [name for name in KEPT if await _save(client, name, folder)]
    except _FAULTS as error:
        raise Problem(f"the bus did not give its streams: {error or type(error).__name__}") from error
    finally:
        await client.close()


async def _save(client: Client, name: str, folder: Path) -> bool:
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    request = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": _CHUNK}
    answer = await _ask(client, f"$JS.API.STREAM.SNAPSHOT.{name}", msgspec.json.encode(request))
    if answer.error is not None:
        if answer.error.get("code") == 404:  # noqa: PLR2004 - the server's "not found": the bus is new
            return False
        raise Problem(f"the bus refused a snapshot of {name}: {answer.error.get('description')}")
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(Described(config=answer.config, state=answer.state)))
    with (folder / f"{name}.snapshot").open("wb") as file:
        while data := (message := await subscription.next_msg(timeout=_SECONDS)).data:
            file.write(data)
            if message.reply:
                await client.publish(message.reply)
    await subscription.unsubscribe()
    return True


async def restore(url: str, folder: Path) -> list[str]:
    """Make each stream that `folder` has a snapshot of; return their names. None of them may be there."""
    client = await _connect(url, "_INBOX")
    try:
        return [name for name in KEPT if (folder / f"{name}.json").exists() and await _restore(client, name, folder)]
    except _FAULTS as error:
        raise Problem(f"the bus did not take its streams: {error or type(error).__name__}") from error
    finally:
        await client.close()


async def _restore(client: Client, name: str, folder: Path) -> bool:
    answer = await _ask(client, f"$JS.API.STREAM.RESTORE.{name}", (folder / f"{name}.json").read_bytes())
    if answer.error is not None:
        raise Problem(f"the bus refused to restore {name}: {answer.error.get('description')}")
    async for chunk in _chunks(folder / f"{name}.snapshot"):
        await client.request(answer.deliver_subject, chunk, timeout=_SECONDS)
    end = await _ask(client, answer.deliver_subject, b"")
    if end.error is not None:
        raise Problem(f"the bus could not restore {name}: {end.error.get('description')}")
    return True


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := await asyncio.to_thread(file.read, _CHUNK):
            yield data


async def _ask(client: Client, subject: str, body: bytes) -> _Answer:
    return msgspec.json.decode((await client.request(subject, body, timeout=_SECONDS)).data, type=_Answer)


async def _connect(url: str, inbox: str) -> Client:
    async def quiet(_error: Exception) -> None:
        """What fails is raised where it is asked."""

    options: dict[str, Any] = {"connect_timeout": 2, "allow_reconnect": False, "error_cb": quiet, "inbox_prefix": inbox}
    try:
        return await nats.connect(url, **options)
    except _FAULTS as error:
        raise Problem(f"the bus does not answer: {error or type(error).__name__}; see: dockup status") from error


def run(work: Callable[..., Any], url: str, folder: Path) -> list[str]:
    """Run `save` or `restore` from code that has no loop."""
    found: list[str] = asyncio.run(work(url, folder))
    return found
