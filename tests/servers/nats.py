"""A NATS server with JetStream, and the streams and buckets of Dockup in it."""

import asyncio
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nats as client

from libs.common import streams
from tests.servers.process import Process

BINARY = Path(__file__).parents[2] / ".venv" / "bin" / "nats-server"


class NatsServer:
    """`url` stays over `kill` and `start`; `wipe` loses all that was stored, as a lost disk would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = folder / "store"
        self._process: Process | None = None
        self._port = -1

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process, "it does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it; at the first time on a free port, then always on the same."""
        command = [str(BINARY), "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(self._store)]
        self._process = Process([*command, "--ports_file_dir", str(self._folder)], self._folder / "log")
        self._process.start(self._listens)

    def _listens(self) -> bool:
        for path in self._folder.glob("*.ports"):
            text = path.read_text(encoding="utf-8")
            if text.endswith("}"):
                self._port = int(json.loads(text)["nats"][0].rsplit(":", 1)[1])
                path.unlink()
                return True
        return False

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        if self._process:
            self._process.kill()
        for path in self._folder.glob("*.ports"):
            path.unlink()

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
