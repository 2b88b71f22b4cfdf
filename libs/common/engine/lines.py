"""A streamed answer of the engine, read line by line: a thread feeds the loop."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping

import docker
import requests
from docker.errors import create_api_error_from_http_exception
from docker.types import CancellableStream

from libs.common.engine.connect import Engine
from libs.common.engine.errors import translate

Params = Mapping[str, str | int]
Headers = Mapping[str, str]


class Lines:
    """The lines of one streamed answer: an async iterator that ends when the engine ends it; any fault is raised from it.

    The thread is a daemon and not of the engine's pool: the engine may take minutes for the first byte of a pull, and neither that nor
    a quiet stream of events may hold up the end of the process or take the place of other calls.
    """

    def __init__(self, engine: Engine, method: str, path: str, params: Params, headers: Headers | None = None) -> None:
        self._engine = engine
        self._request = (method, path, params)
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._stream: CancellableStream[bytes] | None = None
        self._closed = threading.Event()
        self.opened = asyncio.Event()
        threading.Thread(target=self._feed, name="engine-stream", daemon=True).start()

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> bytes:
        item = await self._items.get()
        if isinstance(item, bytes):
            return item
        # Whoever asks again gets the same end again.
        self._items.put_nowait(item)
        if item is None:
            raise StopAsyncIteration
        raise item

    def close(self) -> None:
        """End the stream at once; the engine drops what it was doing for it."""
        self._closed.set()
        if self._stream is not None:
            self._engine.drop(self._stream)
        self._items.put_nowait(None)

    def _feed(self) -> None:
        end: Exception | None = None
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - it is raised on the reader's side
            end = translate(error)
        finally:
            if self._stream is not None:
                self._engine.drop(self._stream)
            self._hand_over(end)

    def _read(self) -> None:
        self._stream = open_stream(self._engine.long, *self._request, headers=self._headers)
        self._engine.keep(self._stream)
        self._hand_over(self.opened)
        # Closed while the engine thought about its first byte: nobody knew the stream then.
        if self._closed.is_set():
            return
        for line in self._stream:
            self._hand_over(line)

    def _hand_over(self, item: bytes | Exception | asyncio.Event | None) -> None:
        # A loop that is closed has no reader left.
        with contextlib.suppress(RuntimeError):
            if isinstance(item, asyncio.Event):
                self._loop.call_soon_threadsafe(item.set)
            else:
                self._loop.call_soon_threadsafe(self._items.put_nowait, item)


def open_stream(
    api: docker.APIClient, method: str, path: str, params: Params, *, headers: Headers | None = None
) -> "CancellableStream[bytes]":
    """Send a request and return its answer as lines; blocks until the engine sends the head. Raises docker-py's errors."""
    response = answer(api, method, path, params, headers=headers)
    return CancellableStream(split(response.iter_content(chunk_size=None)), response)


def answer(
    api: docker.APIClient, method: str, path: str, params: Params, body: Iterator[bytes] | None = None, *, headers: Headers | None = None
) -> requests.Response:
    """Send a request whose answer is read bit by bit; `body` is an archive, sent as it comes."""
    url = f"{api.base_url}/v{api.api_version}{path}"
    sent = {**(headers or {}), **({"Content-Type": "application/x-tar"} if body is not None else {})}
    response = api.request(method, url, params=params, data=body, headers=sent, stream=True, timeout=api.timeout)
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)
    return response


def split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut chunks into the lines that they carry; a rest without an end is dropped, for it was cut off."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
