"""The HAProxy process: find, check, start, reload and recognise it. It is a session of its own and outlives the router."""

import asyncio
import contextlib
import os
import pwd
import re
import resource
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import structlog

from services.router import runtime_api
from services.router.files import Files
from services.router.problem import Problem

_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
_OLDEST = (2, 6)
_START_SECONDS = 10.0
_LOOK_SECONDS = 0.01
_END_SECONDS = 3.0
_MOST_CONNECTIONS = 20_000
_SPARE_FILES = 200
_MOST_THREADS = 2
_LONGEST_SOCKET_PATH = 90
_SHAPE = re.compile(r"^    description (\S+)$", re.MULTILINE)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@+,=-]+")

logger = structlog.get_logger()


class HAProxy:
    """One HAProxy, known by the path of its configuration."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._binary = ""

    async def require(self) -> None:
        """`Problem` unless a HAProxy that is new enough is here and the folder's path can stand in its configuration."""
        if self._binary:
            return
        if not _PLAIN_PATH.fullmatch(str(self._files.root)) or len(str(self._files.master)) > _LONGEST_SOCKET_PATH:
            raise Problem(f"DOCKUP_HOME must be a shorter path without spaces; {str(self._files.root)!r} cannot be given to HAProxy.")
        binary = shutil.which("haproxy", path=_PATH)
        if binary is None:
            raise Problem("HAProxy is not installed: apt-get install haproxy (2.6 or newer) brings it.")
        _, text = await _run([binary, "-vv"])
        found = re.search(r"version (\d+)\.(\d+)", text)
        if found is None or (int(found[1]), int(found[2])) < _OLDEST:
            raise Problem(f"HAProxy 2.6 or newer is needed; {binary} says: {text.splitlines()[0] if text else 'nothing'}")
        if "+LUA" not in text:
            raise Problem(f"{binary} was built without Lua, which wakes sleeping apps: the distribution's haproxy has it.")
        self._binary = binary

    async def check(self, config: Path) -> None:
        """`Problem` with HAProxy's own words unless it takes the configuration."""
        status, text = await _run([self._binary, "-c", "-f", str(config)])
        if status:
            raise Problem(f"HAProxy does not take its configuration: {_alerts(text)}")

    async def start(self) -> int:
        """Start it and wait until it serves; return the master's process id."""
        with self._files.log.open("ab") as log:
            command = [self._binary, "-W", "-D", "-f", str(self._files.config), "-p", str(self._files.pid)]
            command += ["-S", f"{self._files.master},mode,600"]
            # Its environment is empty: the router's own holds passwords.
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": _PATH}, start_new_session=True
            )
        if await process.wait():
            raise Problem(f"HAProxy did not start: {_alerts(_tail(self._files.log))}")
        await self._serving()
        if (pid := self.master()) is None:
            raise Problem(f"HAProxy ended at once: {_alerts(_tail(self._files.log))}")
        logger.info("haproxy.started", pid=pid)
        return pid

    async def reload(self) -> None:
        """Have a new worker take over the listening sockets; the old one keeps what it has open."""
        before = await self.worker()
        await runtime_api.ask_master(self._files.master, "reload")
        await self._serving(other_than=before[0] if before else None)
        if before:
            await self._stopping(before[0])
        logger.info("haproxy.reloaded")

    def master(self) -> int | None:
        """The process id of our HAProxy's master if it lives."""
        try:
            pid = int(self._files.pid.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if pid in self._processes() else None

    async def worker(self) -> tuple[int, str] | None:
        """Process id and description (the shape) of the worker that serves; None when its socket does not answer."""
        try:
            [text] = await runtime_api.ask(self._files.admin, ["show info"])
        except runtime_api.Away:
            return None
        return runtime_api.pid_in(text), runtime_api.info(text).get("description", "")

    async def old_workers(self) -> list[int]:
        """Workers of before a reload that still hold connections."""
        _, _, old = (await self._processes_of_master()).partition("# old workers")
        return [int(line.split()[0]) for line in old.splitlines() if line[:1].isdigit()]

    async def _stopping(self, pid: int) -> None:
        """Until it heeds its master's word the worker of before takes connections as well, and it knows nothing of what is new."""
        until = monotonic() + _END_SECONDS
        while pid in await self.old_workers() and monotonic() < until:
            with contextlib.suppress(runtime_api.Away):  # it ended just now
                [text] = await runtime_api.ask_worker(self._files.master, pid, ["show info"])
                if runtime_api.info(text).get("Stopping") == "1":
                    return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _processes_of_master(self) -> str:
        """The master's list. Its socket is away for a moment at a start or a reload."""
        until = monotonic() + _END_SECONDS
        while True:
            try:
                return await runtime_api.ask_master(self._files.master, "show proc")
            except runtime_api.Away:
                if monotonic() > until:
                    raise
                await asyncio.sleep(_LOOK_SECONDS)

    async def ended(self, pid: int) -> None:
        """Wait until the process is gone."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def end_leftovers(self) -> None:
        """End workers whose master was killed: they would hold the ports."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = monotonic() + _END_SECONDS
            for pid in self._processes():
                logger.info("haproxy.leftover", pid=pid, signal=number.name)
                with contextlib.suppress(ProcessLookupError):  # it ended just now
                    os.kill(pid, number)
            while self._processes() and monotonic() < until:  # noqa: ASYNC110 - another program has no event
                await asyncio.sleep(_LOOK_SECONDS)

    def _processes(self) -> list[int]:
        """Every HAProxy that runs with our configuration file."""
        mark = f"\0-f\0{self._files.config}\0-p\0".encode()
        return [int(process.name) for process in Path("/proc").glob("[0-9]*") if mark in _command_line(process)]

    async def _serving(self, *, other_than: int | None = None) -> None:
        shape = _SHAPE.findall(self._files.config.read_text(encoding="utf-8"))[0]
        until = monotonic() + _START_SECONDS
        while monotonic() < until:
            found = await self.worker()
            if found is not None and found[0] != other_than and found[1] == shape:
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise Problem(f"HAProxy does not serve after {_START_SECONDS:.0f} seconds: {_alerts(_tail(self._files.log))}")


def connections() -> int:
    """How many connections the limit on open files allows, two files each, up to 20,000."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, (hard - _SPARE_FILES) // 2)


def threads() -> int:
    """Two are plenty beside the apps on one machine, and each costs memory."""
    return min(_MOST_THREADS, os.cpu_count() or 1)


def lesser_user() -> str | None:
    """The distribution's user for the worker, when we are root and may change to it."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "haproxy" if os.geteuid() == 0 and "haproxy" in names else None


async def _run(command: Sequence[str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": _PATH},
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2_000:] if log.is_file() else ""


def _alerts(text: str) -> str:
    """The lines that say what is wrong, on one line."""
    lines = [line.split("] : ", 1)[-1].strip() for line in text.splitlines() if "[ALERT]" in line]
    return " ".join(lines[-3:]) or text.strip()[-300:] or "it said nothing"
