"""One request on a connection of its own: opened, sent, and the beginning of the answer; or the words of why not.

On http.client: importing httpx takes longer than most verbs do.
"""

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

from libs.cli.remote.errors import Json, Refused, Unreachable
from libs.cli.remote.target import Target

PIECE = 256 * 1024
_CONNECT_SECONDS = 10.0
_BAD_GATEWAY = frozenset({502, 503, 504})
ENDED = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""Somebody was there, and ended the connection; nobody being there is another error."""
UNKNOWN = "It is not known whether it was heard: look before you do it again."


class Lost(Exception):
    """No answer came. `is_certain`: nothing was sent. `is_passing`: as of a proxy that takes up a new configuration; try again."""

    def __init__(self, error: BaseException, *, is_certain: bool) -> None:
        super().__init__(str(error) or type(error).__name__)
        self.is_certain = is_certain
        self.is_passing = not is_certain or isinstance(error, ENDED)


def connect(target: Target, seconds: float) -> http.client.HTTPConnection:
    """Not yet opened. `seconds` is how long each read may take."""
    parts = urlsplit(target.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=seconds)
    return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=trust(target))


def begin(
    target: Target,
    connection: http.client.HTTPConnection,
    method: str,
    place: str,
    body: Any = None,  # noqa: ANN401 - http.client's
    *,
    headers: Mapping[str, str] | None = None,
) -> http.client.HTTPResponse:
    """`Lost` where nothing could be sent, an `OSError` or `HTTPException` where something was; `Unreachable` for whom we do not trust."""
    _open(target, connection)
    bearer = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    try:
        connection.request(method, place, body, {**(headers or {}), **bearer, "User-Agent": "dockup-cli"})
    except (BrokenPipeError, ConnectionResetError):
        # A server that refuses a body answers before it has read all of it; the answer is what tells why.
        if not hasattr(body, "__next__"):
            raise
        response = http.client.HTTPResponse(connection.sock)
        response.begin()
        return response
    return connection.getresponse()


def _open(target: Target, connection: http.client.HTTPConnection) -> None:
    patience = connection.timeout
    connection.timeout = min(patience or _CONNECT_SECONDS, _CONNECT_SECONDS)
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        raise mistrusted(target.url, error) from error
    except (OSError, UnicodeError) as error:
        raise Lost(error, is_certain=True) from error
    connection.sock.settimeout(patience)


def trust(target: Target) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if target.authority:
        try:
            context.load_verify_locations(cadata=target.authority)
        except (ssl.SSLError, ValueError) as error:
            raise Unreachable(
                "The certificate to trust is none", f"{error}.", "It is a file in PEM: router/ca/root.crt of the server."
            ) from error
    return context


def mistrusted(url: str, error: ssl.SSLCertVerificationError) -> Unreachable:
    return Unreachable(
        "The server's certificate is not trusted",
        f"{url}: {error.verify_message}.",
        "For a Dockup with an authority of its own, log in with its root certificate: dockup login URL --ca FILE",
    )


def refused(url: str, status: int, body: bytes | bytearray) -> Refused | Unreachable:
    """What an answer that is no success says."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if isinstance(problem, dict) and "code" in problem:
        return Refused(status, problem)
    if status in _BAD_GATEWAY:
        return Unreachable("Dockup does not answer", f"What stands before {url} answered {status}.", "See: dockup status", status=status)
    return Unreachable("That is no Dockup", f"{url} answered {status}, not as Dockup does.", "Look at the address.")


def is_away(error: Refused | Unreachable) -> bool:
    """Whether the API is being started again, or something behind it: worth another try."""
    return error.status in _BAD_GATEWAY


def place_of(path: str, query: Mapping[str, object]) -> str:
    """A query of None is left out."""
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items() if value is not None}
    return f"/api/v1{path}" + (f"?{urlencode(given)}" if given else "")


def pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


def events(
    response: http.client.HTTPResponse, connection: http.client.HTTPConnection, end: float | None
) -> Iterator[tuple[str, str, Json]]:
    """(id, name, data) of each server-sent event; `TimeoutError` at `end`. What has no data is a comment."""
    fields: dict[str, str] = {}
    patience = connection.timeout
    while True:
        if end is not None and connection.sock is not None:
            connection.sock.settimeout(max(0.05, min(patience or 0.0, end - time.monotonic())))
        line = response.readline()
        if not line:
            return
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"])
            fields = {}
