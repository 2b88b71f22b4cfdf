"""Noticing that a client is gone while its answer is still being made."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from litestar import Request

from services.api.http.problems import Problem

T = TypeVar("T")


async def while_there(request: Request[Any, Any, Any], work: Awaitable[T]) -> T:
    """Await what a request without a body asked for; it is cancelled when the client goes, and nobody reads the answer then."""
    doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Problem("upload_incomplete", "The client went away.")
        return doing.result()
    finally:
        for task in (doing, gone):
            task.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def _gone(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
