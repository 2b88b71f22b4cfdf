"""Cancelling what waits for NATS.

nats-py waits by `asyncio.wait_for`. Before Python 3.12 that loses a cancellation which comes at the moment of the answer: the task goes on
as if nobody had told it to end, and whoever waits for its end waits for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def heed(call: Awaitable[T]) -> T:
    """Await a call of nats-py; a cancellation that came meanwhile is raised whatever the call's own end was."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await call
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
