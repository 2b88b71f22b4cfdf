"""What the verbs make of answers that no Dockup gives, and of connections that end: asked again where nothing can be done twice by it."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.cli.remote import api as asking
from libs.cli.remote.api import Api
from libs.cli.remote.errors import Unreachable
from libs.cli.remote.target import Target

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
NOTHING = b""


class Server:
    """Gives each connection the next answer once it asked, the last one to all that come after; `NOTHING` ends it without a word."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, contextlib.suppress(OSError):
                    self.asked.append(connection.recv(65_536))
                    connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[Server]:
    server = Server(*answers)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAUSE", 0.0)


def api(server: Server, scheme: str = "http") -> Api:
    return Api(Target(f"{scheme}://127.0.0.1:{server.port}", "dkp_x"), seconds=10, tries=3)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_an_answer_that_is_lost_is_asked_for_again(method: str) -> None:
    with answering(NOTHING, NOTHING, OK) as server:
        assert api(server).ask(method, "/apps", None if method == "GET" else {}).json == {}
        keys = {line for request in server.asked for line in request.splitlines() if line.startswith(b"Idempotency-Key")}
    assert len(keys) == (1 if method == "POST" else 0)


def test_what_could_be_done_twice_is_asked_once() -> None:
    with answering(NOTHING) as server:
        with pytest.raises(Unreachable) as lost:
            api(server).ask("DELETE", "/apps/a")
        assert "not known whether it was heard" in lost.value.problem["hint"]
        with pytest.raises(Unreachable) as lost:
            api(server).send("POST", "/apps/a/deploy", io.BytesIO(b"an archive"))
        assert "not known whether it was heard" in lost.value.problem["hint"]
    assert len(server.asked) == 2


def test_a_connection_that_ends_before_anything_was_asked_is_opened_again() -> None:
    """As one over TLS that a proxy ends because it takes up a new configuration."""
    archive = io.BytesIO(b"an archive")
    with answering(NOTHING) as server:
        for ask in (
            lambda: api(server, "https").get("/apps"),
            lambda: api(server, "https").ask("DELETE", "/apps/a"),
            lambda: api(server, "https").send("POST", "/apps/a/deploy", archive),
        ):
            server.asked.clear()
            with pytest.raises(Unreachable):
                ask()
            assert len(server.asked) == 3
    assert archive.tell() == 0


def test_nobody_there_is_said_at_once() -> None:
    with answering(OK) as server:
        pass
    with pytest.raises(Unreachable):
        Api(Target(f"http://127.0.0.1:{server.port}", "dkp_x"), tries=10**9).get("/apps")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<h1>Welcome</h1",
        b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n",
    ],
)
def test_what_is_no_dockup(answer: bytes) -> None:
    with answering(answer) as server, pytest.raises(Unreachable) as found:
        api(server).get("/auth/me")
    assert found.value.problem["title"] == "That is no Dockup"


def test_an_archive_that_breaks_off_is_none() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it") as server, pytest.raises(Unreachable):
        api(server).fetch("/apps/a/volumes/b/archive", io.BytesIO())


def test_a_file_that_cannot_be_written_is_not_the_server() -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall") as server,
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="No space left"),
    ):
        api(server).fetch("/apps/a/volumes/b/archive", full)


def test_who_stops_reading_is_told_no_success() -> None:
    """Nobody reads how it ended: 141, as of any command whose pipe broke."""
    reader, writer = os.pipe()
    os.close(reader)
    with answering(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"items": [], "next_cursor": null}') as server:
        environ = {**os.environ, "DOCKUP_URL": f"http://127.0.0.1:{server.port}", "DOCKUP_TOKEN": "dkp_x"}
        command = [sys.executable, "-m", "libs.cli", "apps", "--json"]
        done = subprocess.run(command, check=False, env=environ, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
