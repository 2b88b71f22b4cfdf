"""A PostgreSQL server in a folder of its own, and databases in it."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from services.api.db import migrate
from tests.servers.ports import free_port
from tests.servers.process import Process

_OWNER = "postgres"
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200")


class PostgresServer:
    """Listens on a free port of 127.0.0.1. `initdb` refuses to run as root: then it runs as the distribution's user."""

    def __init__(self) -> None:
        self._user = _OWNER if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="dockup-postgres-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._numbers = itertools.count(1)
        self._template = ""
        self._port = free_port()
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-U", _OWNER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        options = [part for setting in (*_FAST, f"unix_socket_directories={self._folder}") for part in ("-c", setting)]
        command = [_binary("postgres"), "-D", data, "-p", str(self._port), "-h", "127.0.0.1", *options]
        self._process = Process(command, self._folder / "log", user=self._user)

    def start(self) -> None:
        self._process.start(self._answers)

    def create_database(self, template: str = "template0") -> str:
        """Make an empty database and return its URL for SQLAlchemy's asyncpg dialect."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", _OWNER, "-T", template, name)
        return f"postgresql+asyncpg://{_OWNER}@127.0.0.1:{self._port}/{name}"

    def migrated(self) -> str:
        """As `create_database`, with today's schema: a copy of one that was migrated once takes a tenth of the time."""
        if not self._template:
            url = self.create_database()
            migrate.bring(url, migrate.HEAD)
            self._template = url.rpartition("/")[2]
        return self.create_database(self._template)

    def stop(self) -> None:
        """Stop it without waiting for clients, and remove its folder."""
        self._process.stop(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        command = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port), "-U", _OWNER]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, name: str, *arguments: str) -> None:
        command = [_binary(name), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd="/")


def _binary(name: str) -> str:
    """The distribution keeps them out of PATH, in a folder a version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name) or name
