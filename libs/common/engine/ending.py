"""The end of a process in a container, with all that belongs to its session. The engine has no call for it.

The engine says under which id the machine knows the process. Where this process may signal it, it does; else a `kill` of the image's
own is asked to, inside. A process that made a session of its own (`setsid`, a daemon) is left alone.
"""

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import structlog

from libs.common.engine.connect import Engine, EngineAway
from libs.common.engine.errors import EngineError, NotFound

_PROC = Path("/proc")
_SESSION_FIELD = 3
"""Of `/proc/PID/stat`, after the name in brackets."""
_LOOKS, _LOOK_SECONDS = 50, 0.02

logger = structlog.get_logger()


class _Seen(msgspec.Struct, rename="pascal"):
    running: bool = False
    pid: int = 0
    container_id: str = msgspec.field(name="ContainerID", default="")


async def end(engine: Engine, exec_id: str) -> bool:
    """HUP and TERM, and KILL after a second. What has ended, or whose container has, is fine; False when the engine did not answer."""
    try:
        seen = msgspec.convert(await engine.call(engine.api.exec_inspect, exec_id), _Seen)
        members = belonging(seen.pid, seen.container_id) if seen.pid else []
        if seen.running and not members:
            await _tell_far(engine, exec_id)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL) if members else ():
            await _signal(engine, seen.container_id, members, number)
            if number is not signal.SIGHUP and await _are_gone(seen.pid, members):
                members = belonging(seen.pid, seen.container_id)  # those that were begun meanwhile
            if not members:
                break
    except NotFound:
        return True
    except (EngineAway, EngineError) as error:
        logger.warning("exec.not_ended", exec_id=exec_id, error=str(error))
        return False
    return True


def belonging(pid: int, container_id: str) -> list[int]:
    """The processes of the session that `pid` leads, if they are that container's; `pid` may have ended already."""
    folders = (folder for folder in _PROC.iterdir() if folder.name.isdigit())
    return [int(folder.name) for folder in folders if _session(folder) == pid and container_id in _read(folder / "cgroup")]


def _session(folder: Path) -> int:
    """0 for a process that has ended, or waits for its end to be noticed."""
    fields = _read(folder / "stat").rpartition(")")[2].split()
    return int(fields[_SESSION_FIELD]) if len(fields) > _SESSION_FIELD and fields[0] not in "ZX" else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


async def _tell_far(engine: Engine, exec_id: str) -> None:
    """It has just ended, which the engine will notice; or it runs on another machine, and nothing here reaches it."""
    for _ in range(_LOOKS):
        if not msgspec.convert(await engine.call(engine.api.exec_inspect, exec_id), _Seen).running:
            return
        await asyncio.sleep(_LOOK_SECONDS)
    logger.warning("exec.not_ended", exec_id=exec_id, error="its process is not on this machine: it is left to itself")


async def _are_gone(pid: int, members: list[int]) -> bool:
    for _ in range(_LOOKS):
        if not any(_session(_PROC / str(member)) == pid for member in members):
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False


async def _signal(engine: Engine, container_id: str, members: list[int], number: signal.Signals) -> None:
    try:
        for pid in members:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
    except PermissionError:
        await _signal_inside(engine, container_id, members, number)


async def _signal_inside(engine: Engine, container_id: str, members: list[int], number: signal.Signals) -> None:
    """As the container's root, by the ids that it knows its processes by."""
    ids = " ".join(inner for pid in members if (inner := _inner_id(pid)))
    script = f"kill -{number.name.removeprefix('SIG')} {ids}"
    for command in (["/bin/sh", "-c", script], script.split()):
        made = await engine.call(engine.api.exec_create, container_id, command, user="0", stdout=False, stderr=False)
        try:
            await engine.call(engine.api.exec_start, made["Id"], detach=True)
        except EngineError:
            continue  # there is no such program in the image
        return
    logger.warning("exec.not_ended", container_id=container_id, error="neither this process nor the image can end it")


def _inner_id(pid: int) -> str:
    line = next((line for line in _read(_PROC / str(pid) / "status").splitlines() if line.startswith("NSpid:")), "")
    return line.split()[-1] if line else ""
