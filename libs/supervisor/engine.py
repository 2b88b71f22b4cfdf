"""The Docker Engine of this machine: does one answer, and if not, start the distribution's."""

import asyncio
import enum
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from libs.common.engine import containers
from libs.common.engine.connect import Engine, EngineAway
from libs.supervisor import logs, process
from libs.supervisor.home import Home
from libs.supervisor.problem import Problem

T = TypeVar("T")

_USUAL = "unix:///var/run/docker.sock"
_START_SECONDS = 60.0
_PAUSE = 0.2
_STOP_SECONDS = 30.0


class Standing(enum.Enum):
    """`BARRED`: its socket is there, and not for this user; `SILENT`: none answers."""

    ANSWERS = enum.auto()
    BARRED = enum.auto()
    SILENT = enum.auto()


def answers(docker_host: str) -> bool:
    try:
        with_engine(docker_host, Engine.ping)
    except EngineAway:
        return False
    return True


def with_engine(docker_host: str, work: Callable[[Engine], Awaitable[T]]) -> T:
    """Open the engine, do one thing with it, and close it: for code that has no loop."""

    async def run() -> T:
        engine = await Engine.open(docker_host)
        try:
            return await work(engine)
        finally:
            engine.close()

    return asyncio.run(run())


def look(docker_host: str) -> Standing:
    """How this user stands with the engine; `Problem` when none answers and the setting names where it should."""
    if answers(docker_host):
        return Standing.ANSWERS
    if docker_host != _USUAL:
        raise Problem(f"no Docker Engine answers at DOCKUP_DOCKER_HOST ({docker_host}); start it or correct the setting")
    path = Path(docker_host.removeprefix("unix://"))
    barred = path.exists() and not os.access(path, os.R_OK | os.W_OK)
    return Standing.BARRED if barred else Standing.SILENT


def start(home: Home, docker_host: str, say: Callable[[str], None]) -> None:
    """Start the engine the way this machine starts its services, or as a session of its own, and wait until it answers."""
    say("starting the Docker Engine")
    if command := _manager():
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        words = f"{' '.join(command)} said: {(done.stderr or done.stdout).strip() or 'nothing'}"
    else:
        _start_directly(home)
        words = f"its log is {home.log('dockerd')}"
    until = monotonic() + _START_SECONDS
    while not answers(docker_host):
        if monotonic() > until:
            last = "\n".join(logs.tail(home.log("dockerd"), 5))
            raise Problem(f"the Docker Engine did not answer within {_START_SECONDS:.0f} s; {words}\n{last}".rstrip())
        sleep(_PAUSE)


def _manager() -> list[str] | None:
    """How to start a service where something manages services."""
    if Path("/run/systemd/system").is_dir():
        return ["systemctl", "enable", "--now", "docker"]
    if Path("/run/openrc").is_dir():
        return ["rc-service", "docker", "start"]
    if Path("/proc/1/comm").read_text(encoding="ascii").strip() == "init" and Path("/etc/init.d/docker").exists():
        return ["service", "docker", "start"]
    return None


def _start_directly(home: Home) -> None:
    with home.log("dockerd").open("ab") as log:
        started = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd="/"
        )
    process.record(home.pid_file("dockerd"), started.pid)


def stop_apps(docker_host: str, instance: str, say: Callable[[str], None]) -> None:
    """Stop, and keep, the containers of this installation; a `docker stop` stays stopped over a restart of the engine."""

    async def work(engine: Engine) -> int:
        found = await containers.list_ours(engine, instance)
        await asyncio.gather(*(containers.stop(engine, each.id, 10.0) for each in found))
        return len(found)

    try:
        count = with_engine(docker_host, work)
    except EngineAway:
        say("no Docker Engine answers: there are no apps to stop")
    else:
        say(f"stopped {count} app containers; the next `dockup up` brings them back")


def stop_ours(home: Home, docker_host: str, say: Callable[[str], None]) -> None:
    """Stop the engine if this installation started it and nothing runs in it any more."""
    found = process.running(home.pid_file("dockerd"))
    if found is None:
        return
    if answers(docker_host) and (busy := with_engine(docker_host, _count_running)):
        say(f"left the Docker Engine running: it has {busy} containers that are not Dockup's")
        return
    if process.end(found, _STOP_SECONDS):
        say("stopped the Docker Engine")


async def _count_running(engine: Engine) -> int:
    return len(await engine.call(engine.api.containers))
