"""What came as the body of a deploy: JSON, nothing, or the archive of an image. Its first bytes decide where its type does not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from services.api.http.problems import Problem
from services.api.uploads.spool import Spool, Upload

ARCHIVES = ("application/octet-stream", "application/x-tar", "application/gzip", "application/x-gzip")
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
LONGEST_JSON = 4 * 1024 * 1024
_IDLE_SECONDS = 120.0
_HEAD = 512
_MARKS = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh")
_USTAR = slice(257, 262)
_FORM_HINT = "curl -d sends a form unless it is told otherwise: add -H 'Content-Type: application/json', and send a JSON object."
Allowed = Callable[[], Awaitable[object]]


async def read(request: Request[Any, Any, Any], spool: Spool, allowed: Allowed, *, archive_only: bool = False) -> bytes | Upload:
    """The bytes of a JSON body, or an archive that is in the spool; `allowed` is asked before anything is written there.

    `400 empty_upload`, `400 upload_incomplete`, `400 upload_invalid`, `413`, `415 unsupported_media_type`, `507 disk_full`.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    chunks = chunks_of(request)
    if media == MULTIPART:
        return await _take(request, spool, allowed, _file(chunks, request.headers["content-type"]))
    if media in ARCHIVES:
        return await _take(request, spool, allowed, chunks)
    if media not in {"", "application/json", FORM}:
        raise Problem("unsupported_media_type", f"The body came as {media!r}; this route takes JSON, or the output of docker save.")
    head = await _head(chunks)
    if media != "application/json" and _is_archive(head):
        return await _take(request, spool, allowed, _joined(head, chunks))
    if archive_only:
        raise Problem("unsupported_media_type" if head else "empty_upload", hint="Send the output of docker save as the body.")
    if media == FORM and head:
        raise Problem("unsupported_media_type", f"The body came as {media!r}, and is no archive.", hint=_FORM_HINT)
    return await _whole(_joined(head, chunks))


async def _take(request: Request[Any, Any, Any], spool: Spool, allowed: Allowed, chunks: AsyncIterator[bytes]) -> Upload:
    """Refuse before a byte is read what can be refused by then."""
    size = request.content_length
    if size == 0:
        raise Problem("empty_upload")
    await allowed()
    spool.check_room(size or 0)
    head = await _head(chunks)
    if head and not _is_archive(head):
        raise Problem("upload_invalid", "The body does not begin as an archive does.")
    return await spool.take(_joined(head, chunks), hashed="idempotency-key" in request.headers)


async def chunks_of(request: Request[Any, Any, Any]) -> AsyncGenerator[bytes]:
    """The body as it comes. `400 upload_incomplete` when the client goes away, or sends nothing for two minutes."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Problem("upload_incomplete", f"Nothing came for {_IDLE_SECONDS:g} s.") from error
        except HTTPException as error:
            raise Problem("upload_incomplete", "The connection ended before the body did.") from error
        if chunk:
            yield chunk


async def _head(chunks: AsyncIterator[bytes]) -> bytes:
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD:
            break
    return head


def _is_archive(head: bytes) -> bool:
    return head[_USTAR] == b"ustar" or head.startswith(_MARKS)


async def _joined(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in chunks:
        yield chunk


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > LONGEST_JSON:
            raise Problem("body_too_large")
    return bytes(found)


async def _file(chunks: AsyncIterator[bytes], content_type: str) -> AsyncIterator[bytes]:
    """The content of the one part, which is called `file`."""
    _, options = parse_options_header(content_type)
    count = 0
    try:
        with PushMultipartParser(options.get("boundary", "")) as parser:
            async for chunk in chunks:
                for event in parser.parse(chunk):
                    if isinstance(event, MultipartSegment):
                        count += 1
                        _check_part(event, count)
                    elif event:
                        yield bytes(event)
    except MultipartError as error:
        raise Problem("malformed_request", f"The form cannot be read: {error}.") from error


def _check_part(part: MultipartSegment, count: int) -> None:
    if part.name != "file" or count > 1:
        raise Problem("malformed_request", f"The form has the part {part.name!r}; it takes exactly one, called file.")
