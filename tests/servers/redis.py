"""A Redis server on a unix socket: the distribution's, else the wheel's."""

import shutil
import socket
from pathlib import Path

from tests.servers.process import Process

WHEEL = Path(__file__).parents[2] / ".venv" / "bin" / "redis-server"


class RedisServer:
    """`url` stays over `kill` and `start`; nothing is stored."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        command = [shutil.which("redis-server") or str(WHEEL), "--port", "0", "--unixsocket", str(self._socket)]
        self._process = Process([*command, "--save", "", "--appendonly", "no"], folder / "redis.log")

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._process.start(self._answers)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(self._socket)):
                return False
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        self._process.kill()
