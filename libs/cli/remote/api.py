"""The HTTP API as the verbs ask it."""

import contextlib
import http.client
import json
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

from libs.cli.remote.errors import Json, Refused, Unreachable
from libs.cli.remote.target import Target
from libs.cli.remote.wire import PIECE, UNKNOWN, Lost, begin, connect, events, is_away, pieces, place_of, refused

_CALL_SECONDS, _HURRY_SECONDS = 60.0, 0.5
_QUIET_SECONDS = 45.0
"""A stream that says nothing for so long is broken: a comment comes every 15 s."""
_TRIES, _STREAM_TRIES = 8, 20
_PAUSE = 1.0
_AGAIN = frozenset({"GET", "POST", "PUT"})
"""What may be asked again when the answer is lost: a POST carries its Idempotency-Key, a PUT merges."""


class Answer(NamedTuple):
    """The names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - what JSON may be
        try:
            return json.loads(self.body or b"null")
        except ValueError as error:
            raise Unreachable("That is no Dockup", "Its answer is no JSON.", "Look at the address.") from error


class Api:
    """Calls of one Dockup. Every method raises `Refused` for a problem and `Unreachable` where nobody answers."""

    def __init__(self, target: Target, *, seconds: float = _CALL_SECONDS, tries: int = _TRIES) -> None:
        self.target = target
        self._seconds = seconds
        self._tries = tries

    def hurried(self) -> "Api":
        """The same for a question that is not worth a wait."""
        return Api(self.target, seconds=_HURRY_SECONDS, tries=1)

    def ask(self, method: str, path: str, body: object = None, *, wait: int = 0, **query: object) -> Answer:
        """One call. With `wait` (seconds) the server may hold the answer so long. A query of None is left out."""
        return self._asked(method, path, {**query, "wait": wait or None}, body, wait=wait)

    def _asked(self, method: str, path: str, query: Mapping[str, object], body: object = None, *, wait: int = 0) -> Answer:
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", **({} if sent is None else {"Content-Type": "application/json"})}
        if method == "POST":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        place = place_of(path, query)
        for attempt in range(1, self._tries + 1):
            try:
                return self._once(method, place, sent, headers, self._seconds + wait)
            except Lost as error:
                if not error.is_passing and attempt == 1:
                    raise self._unreachable(error) from error
                if not (error.is_certain or method in _AGAIN) or attempt == self._tries:
                    hint = "" if error.is_certain or method == "GET" else UNKNOWN
                    raise self._unreachable(error, hint) from error
            except (Refused, Unreachable) as error:
                if not is_away(error) or method not in _AGAIN or attempt == self._tries:
                    raise
            time.sleep(_PAUSE)
        raise AssertionError

    def get(self, path: str, **query: object) -> Json:
        found: Json = self._asked("GET", path, query).json
        return found

    def each(self, path: str, **query: object) -> Iterator[Json]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit=200, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def send(self, method: str, path: str, source: BinaryIO, *, wait: int = 0) -> Answer:
        """A tar archive as the body, as it is read. It is sent once."""
        headers = {"Content-Type": "application/x-tar", "Accept": "application/json"}
        place = place_of(path, {"wait": wait or None})
        for attempt in range(1, self._tries + 1):
            try:
                return self._once(method, place, pieces(source), headers, self._seconds + wait)
            except Lost as error:
                if not (error.is_certain and error.is_passing) or attempt == self._tries:
                    raise self._unreachable(error, "" if error.is_certain else UNKNOWN) from error
            time.sleep(_PAUSE)
        raise AssertionError

    def fetch(self, path: str, into: BinaryIO) -> None:
        """The body of an answer, as it comes. `Unreachable` when it breaks off, an `OSError` where it cannot be written."""
        with contextlib.closing(self._body(path)) as body:
            into.writelines(body)

    def _body(self, path: str) -> Generator[bytes, None, None]:
        connection = connect(self.target, self._seconds)
        try:
            response = begin(self.target, connection, "GET", place_of(path, {}))
            if not _is_success(response.status):
                raise refused(self.target.url, response.status, response.read())
            while piece := response.read(PIECE):
                yield piece
            if response.length:  # the library takes the end of the connection for that of the body
                raise http.client.IncompleteRead(b"", response.length)
        except (Lost, http.client.HTTPException, OSError) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def listen(self, path: str, *, last: str | None = None, seconds: float | None = None, **query: object) -> Iterator[tuple[str, Json]]:
        """Server-sent events as (name, data), gone on with where the connection breaks; it ends after an event `end` or `seconds`.

        A server that ends the stream without that event has ended the token: the next call says so.
        """
        end = None if seconds is None else time.monotonic() + seconds
        failed, began = 0, False
        while end is None or time.monotonic() < end:
            try:
                for identity, name, data in self._events(place_of(path, query), last, end):
                    failed, began, last = 0, True, identity or last
                    yield name, data
                    if name == "end":
                        return
            except Lost as error:
                failed += 1
                if failed == _STREAM_TRIES or not (began or error.is_passing):
                    raise self._unreachable(error) from error
            except (Refused, Unreachable) as error:
                failed += 1
                if failed == _STREAM_TRIES or not (began and is_away(error)):
                    raise
            time.sleep(min(_PAUSE, max(0.0, (end or time.monotonic() + _PAUSE) - time.monotonic())))

    def _events(self, place: str, last: str | None, end: float | None) -> Iterator[tuple[str, str, Json]]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        connection = connect(self.target, _QUIET_SECONDS)
        try:
            response = begin(self.target, connection, "GET", place, headers=headers)
            if not _is_success(response.status):
                raise refused(self.target.url, response.status, response.read())
            yield from events(response, connection, end)
        except (OSError, http.client.HTTPException) as error:
            if end is None or time.monotonic() < end:
                raise Lost(error, is_certain=False) from error
        finally:
            connection.close()

    def _once(self, method: str, place: str, body: Any, headers: dict[str, str], seconds: float) -> Answer:  # noqa: ANN401 - http.client's
        connection = connect(self.target, seconds)
        try:
            response = begin(self.target, connection, method, place, body, headers=headers)
            answer = Answer(response.status, {name.lower(): text for name, text in response.getheaders()}, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Lost(error, is_certain=False) from error
        finally:
            connection.close()
        if not _is_success(answer.status):
            raise refused(self.target.url, answer.status, answer.body)
        return answer

    def _unreachable(self, error: BaseException, hint: str = "") -> Unreachable:
        is_here = "//127.0.0.1:" in self.target.url
        hint = hint or ("See: dockup status" if is_here else "Look at the address and the network.")
        return Unreachable("Dockup does not answer", f"{self.target.url}: {error}.", hint)


def _is_success(status: int) -> bool:
    """What leads elsewhere is followed by nobody: the token would go along."""
    return http.HTTPStatus.OK <= status < http.HTTPStatus.MULTIPLE_CHOICES


def part(text: str) -> str:
    """A piece of a path, whatever somebody typed."""
    return quote(text, safe="")
