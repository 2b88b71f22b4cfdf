"""Opening a WebSocket: a connection that ends before it was asked for anything is no answer."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync import client
from websockets.sync.server import ServerConnection, serve

from libs.cli.apps import logs
from libs.cli.remote import sockets
from libs.cli.remote.api import Api
from libs.cli.remote.errors import Unreachable
from libs.cli.remote.target import Target


@pytest.fixture
def echo() -> Iterator[str]:
    def answer(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


class Ending:
    """The library's `connect`, on connections whose other end is gone for the first few times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self, url: str, **options: Any) -> client.ClientConnection:
        if not self.times:
            return client.connect(url, **options)
        self.times -= 1
        here, there = socket.socketpair()
        there.close()
        return client.connect(url, sock=here, **options)


def test_a_proxy_that_takes_up_a_new_configuration_is_asked_again(echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "connect", ending := Ending(2))
    with sockets.opened(Target(echo, "dkp_x"), "/apps/a/exec", is_harmless=False) as opened:
        opened.send("heard")
        assert opened.recv() == "heard"
    assert not ending.times


def test_one_that_only_ends_connections_does_not_answer(echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "connect", Ending(100))
    monkeypatch.setattr(sockets, "_PAUSE", 0.01)
    with pytest.raises(Unreachable, match="no close frame"), sockets.opened(Target(echo, "dkp_x"), "/apps/a/exec", is_harmless=False):
        pass


@pytest.fixture
def deaf() -> Iterator[tuple[str, list[bytes]]]:
    """It reads what it is asked, and goes without an answer."""
    asked: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve_nobody() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    asked.append(connection.recv(65_536))

    thread = threading.Thread(target=serve_nobody)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.mark.parametrize(("is_harmless", "times"), [(True, 5), (False, 1)])
def test_what_was_asked_and_not_answered_is_asked_again_where_it_does_no_harm(
    deaf: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch, *, is_harmless: bool, times: int
) -> None:
    """A command that may have begun is not begun twice."""
    monkeypatch.setattr(sockets, "_PAUSE", 0.01)
    url, asked = deaf
    with pytest.raises(Unreachable) as lost, sockets.opened(Target(url, "dkp_x"), "/apps/a/exec", is_harmless=is_harmless):
        pass
    assert len(asked) == times
    assert ("not known" in lost.value.problem["hint"]) is not is_harmless


def test_a_quiet_log_is_followed_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was said yet, and the API goes and is away for a moment."""
    monkeypatch.setattr(logs, "_PAUSE", 0.01)
    answers = iter(("open", "away", "open"))

    def admit(connection: ServerConnection, _request: Request) -> Response | None:
        return None if next(answers) == "open" else connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "starting")

    def serve_lines(connection: ServerConnection) -> None:
        connections.append(connection)
        if len(connections) == 1:
            connection.close(1012)
        else:
            connection.send('{"at": "2030-01-31T12:00:00Z", "message": "heard"}')
            connection.recv()

    connections: list[ServerConnection] = []
    with serve(serve_lines, "127.0.0.1", 0, process_request=admit) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        api = Api(Target(f"http://127.0.0.1:{server.socket.getsockname()[1]}", "dkp_x"))
        lines = logs._stream(api, "a", 10, {"since": None, "replica": None, "stream": None})
        assert next(lines)["message"] == "heard"
        lines.close()
        server.shutdown()
        thread.join()
