"""All that the load runs on: a stack, an engine of its own, and a small disk for the database."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.engine import OwnEngine, with_images
from tests.stack import Stack
from tests.stack.dockup import StackError

_DISK = "96m"


class World:
    """`say` takes a line of the report. `engine_lock`: one fault at a time plays with the engine."""

    def __init__(self, stack: Stack, engine: OwnEngine, say: Callable[[str], None]) -> None:
        self.stack = stack
        self.engine = engine
        self.say = say
        self.engine_lock = asyncio.Lock()
        self.database = database_folder(stack) / "dockup.db"

    @property
    def nats_port(self) -> int:
        ports = self.stack.home.load().ports
        assert ports is not None
        return ports.nats

    def send(self, victim: str, number: signal.Signals) -> None:
        """To a process that may have ended just now."""
        with contextlib.suppress(StackError, ProcessLookupError, FileNotFoundError):
            self.stack.kill(victim, number)


@contextlib.contextmanager
def world(say: Callable[[str], None]) -> Iterator[World]:
    engine = with_images()
    try:
        stack = Stack(docker_host=engine.url, sync_seconds="5")
        with small_disk(database_folder(stack), _DISK):
            try:
                stack.up()
                yield World(stack, engine, say)
            finally:
                stack.destroy()
        if not os.environ.get("DOCKUP_TEST_KEEP"):
            shutil.rmtree(stack.home.root, ignore_errors=True)
    finally:
        engine.destroy()


def database_folder(stack: Stack) -> Path:
    return stack.home.root / "api"


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of its own for a folder; `size` as mount(8) has it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "dockup-test", folder], check=True)
    try:
        yield
    finally:
        if os.environ.get("DOCKUP_TEST_KEEP"):
            shutil.copytree(folder, folder.with_name(f"{folder.name}-kept"))
        subprocess.run(["umount", "--lazy", folder], check=True)
