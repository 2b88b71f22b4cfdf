"""Waiting for what will be true soon, without a guess at how soon."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
GAP = 0.05


async def eventually(ask: Callable[[], Awaitable[T]], timeout: float = 30.0, *, what: str = "it") -> T:
    """Ask until the answer is true, and return it. An assertion that fails inside counts as not yet; the last one is raised in the end."""
    until = time.monotonic() + timeout
    while True:
        last: AssertionError | None = None
        try:
            if answer := await ask():
                return answer
        except AssertionError as error:
            last = error
        if time.monotonic() > until:
            raise last or AssertionError(f"{what} did not come true in {timeout:.0f} s")
        await asyncio.sleep(GAP)
