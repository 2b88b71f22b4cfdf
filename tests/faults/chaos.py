"""The bad days: faults of every kind, one after the other and now and then two at once, in an order that a seed fixes."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import docker.errors

from tests.faults.partition import cut_off
from tests.faults.world import World

PROCESSES = ("api", "builder", "runtime", "metrics", "router", "nats", "redis", "haproxy", "supervisor")
SERVICES = ("api", "builder", "runtime", "metrics", "router")
_LOCK_PATIENCE = 30.0

Fault = Callable[[World, str, float], Awaitable[None]]
"""Breaks something for so many seconds, then mends it. The text is the victim, where there is a choice."""


async def kill(world: World, victim: str, seconds: float) -> None:
    del seconds  # the supervisor brings it back
    world.send(victim, signal.SIGKILL)


async def freeze(world: World, victim: str, seconds: float) -> None:
    world.send(victim, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    world.send(victim, signal.SIGCONT)


async def partition(world: World, victim: str, seconds: float) -> None:
    if found := world.stack.find(victim):
        await asyncio.to_thread(cut_off, found.pid, world.nats_port, seconds)


async def wipe_bus(world: World, victim: str, seconds: float) -> None:
    del victim, seconds
    store = world.stack.home.nats_store
    world.send("nats", signal.SIGKILL)
    with contextlib.suppress(FileNotFoundError):  # the server that is to come has not made it yet
        os.rename(store, world.stack.home.root / f"nats-before-{os.urandom(4).hex()}")  # noqa: PTH104 - one system call, at once


async def without_redis(world: World, victim: str, seconds: float) -> None:
    """Dead again as soon as it is back."""
    del victim
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.send("redis", signal.SIGKILL)
        await asyncio.sleep(0.1)


async def lock_database(world: World, victim: str, seconds: float) -> None:
    del victim
    await asyncio.to_thread(_lock, str(world.database), seconds)


def _lock(path: str, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=_LOCK_PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


async def fill_disk(world: World, victim: str, seconds: float) -> None:
    """Not a byte is left where the database lies."""
    del victim
    ballast = world.database.with_name("ballast")
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    await asyncio.sleep(seconds)
    ballast.unlink(missing_ok=True)


async def crash_engine(world: World, victim: str, seconds: float) -> None:
    del victim
    await _down_for(world, world.engine.kill, seconds)


async def restart_engine(world: World, victim: str, seconds: float) -> None:
    del victim
    await _down_for(world, world.engine.stop, seconds)


async def _down_for(world: World, end: Callable[[], None], seconds: float) -> None:
    async with world.engine_lock:
        await asyncio.to_thread(end)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(world.engine.start)


async def freeze_engine(world: World, victim: str, seconds: float) -> None:
    del victim
    async with world.engine_lock:
        world.engine.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        world.engine.send(signal.SIGCONT)


async def by_hand(world: World, victim: str, seconds: float) -> None:
    """Somebody kills or removes a container of ours."""
    del seconds
    async with world.engine_lock:
        await asyncio.to_thread(_meddle, world, victim)


def _meddle(world: World, how: str) -> None:
    client = world.engine.client()
    running = sorted(client.containers(filters={"label": "dockup.app", "status": "running"}), key=lambda one: str(one["Names"]))
    if not running:
        return
    with contextlib.suppress(docker.errors.APIError):  # it went meanwhile
        if how == "remove":
            client.remove_container(running[0]["Id"], force=True)
        else:
            client.kill(running[-1]["Id"])


_FAULTS: dict[str, tuple[Fault, int, tuple[str, ...], tuple[float, float]]] = {
    "kill": (kill, 34, PROCESSES, (0, 0)),
    "freeze": (freeze, 16, PROCESSES[:-1], (1, 8)),
    "partition": (partition, 14, SERVICES, (2, 15)),
    "crash engine": (crash_engine, 4, (), (0, 4)),
    "restart engine": (restart_engine, 4, (), (0, 4)),
    "freeze engine": (freeze_engine, 4, (), (1, 6)),
    "lock database": (lock_database, 5, (), (2, 30)),
    "fill disk": (fill_disk, 5, (), (1, 8)),
    "wipe bus": (wipe_bus, 4, (), (0, 0)),
    "without redis": (without_redis, 4, (), (1, 8)),
    "by hand": (by_hand, 6, ("kill", "remove"), (0, 0)),
}
"""Name → what does it, how often among all, whom, for how many seconds."""


class Chaos:
    """Run `rage`; every fault is mended when it returns. `done` counts them."""

    def __init__(self, world: World, seed: str, gap: tuple[float, float] = (2.0, 7.0), scale: float = 1.0) -> None:
        self._world = world
        self._random = random.Random(seed)  # noqa: S311 - a seeded order
        self._gap = gap
        self._scale = scale
        self.done: Counter[str] = Counter()

    async def rage(self, seconds: float) -> None:
        """Begin a fault at each gap, whether or not the one before it is over."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while (left := begun + seconds - time.monotonic()) > 0:
                await asyncio.sleep(min(left, self._random.uniform(*self._gap)))
                group.create_task(self._one(begun))

    async def _one(self, begun: float) -> None:
        names = list(_FAULTS)
        name = self._random.choices(names, [_FAULTS[name][1] for name in names])[0]
        do, _, victims, (least, most) = _FAULTS[name]
        victim = self._random.choice(victims) if victims else ""
        length = self._random.uniform(least, most) * self._scale
        self.done[f"{name} {victim}".strip()] += 1
        self._world.say(f"{time.monotonic() - begun:7.1f} s: {name} {victim} {f'for {length:.1f} s' if length else ''}")
        await do(self._world, victim, length)
