"""Cancelling what waits for NATS.

nats-py waits by `asyncio.wait_for`. Before Python 3.12 that loses a cancellation which comes at the moment of the answer: the task goes on
as if nobody had told it to end, and whoever waits for its end waits for ever.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_PAUSE = 0.1


async def heed(call: Awaitable[T]) -> T:
    """Await a call of nats-py; a cancellation that came meanwhile is raised whatever the call's own end was."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await call
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


async def insist(call: Coroutine[Any, Any, T]) -> T:
    """Await a call that tries again and again by itself, where `heed` would never get its turn: it is cancelled until it ends."""
    task = asyncio.create_task(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await end(task)
        raise


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel it until it has ended: one word may be lost."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_PAUSE)
