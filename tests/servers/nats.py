"""A NATS server with JetStream, and the streams and buckets of Dockup in it."""

import asyncio
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nats as client

from libs.common import streams
from tests.servers.ports import free_port
from tests.servers.process import Process

BINARY = Path(__file__).parents[2] / ".venv" / "bin" / "nats-server"


class NatsServer:
    """`url` stays over `kill` and `start`; `wipe` loses all that was stored, as a lost disk would."""

    def __init__(self, folder: Path) -> None:
        self._store = folder / "store"
        self._port = free_port()
        # Else it takes three quarters of what is free on the disk, and a small disk has no room for what streams may hold.
        conf = folder / "nats.conf"
        conf.write_text(f'jetstream {{ store_dir: "{self._store}", max_file_store: 1TB }}\n', encoding="utf-8")
        command = [str(BINARY), "-a", "127.0.0.1", "-p", str(self._port), "-c", str(conf)]
        self._process = Process(command, folder / "log")

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._process.start(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        self._process.kill()

    def wipe(self) -> None:
        """Forget everything. Only while it does not run."""
        shutil.rmtree(self._store, ignore_errors=True)

    def ensure(self, first_event: int = 1) -> None:
        """Make the streams, buckets and consumers that are missing. Works from any thread, with or without a loop."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._ensure(first_event)).result()

    async def _ensure(self, first_event: int) -> None:
        connection = await client.connect(self.url)
        try:
            await streams.ensure(connection.jetstream(), first_event=first_event)
        finally:
            await connection.close()
