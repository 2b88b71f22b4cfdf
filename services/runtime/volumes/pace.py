"""How long whoever is at the other end of a transfer may keep it waiting: it holds a place that others want. Pure but for the clock."""

import asyncio
from collections.abc import Awaitable
from time import monotonic
from typing import TypeVar

from libs.common.errors import DockupError

T = TypeVar("T")
PATIENCE = 120.0
"""Seconds without anything."""
LEAST = 8 * 1024
"""Bytes that make good for a second's wait."""


class TooSlow(DockupError):
    """The other side did not go on in time."""


class Pace:
    """Of one transfer. Only what is waited for in `within` counts: not the time that the engine takes."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = self._left = patience

    async def within(self, work: Awaitable[T], size: int = 0) -> T:
        """Await it; `size` bytes have moved then. `TooSlow` when the patience is at its end."""
        began = monotonic()
        try:
            async with asyncio.timeout(self._left):
                found = await work
        except TimeoutError as error:
            raise TooSlow(f"less than {LEAST // 1024} kB a second went through for {self._patience:g} s") from error
        self._left -= monotonic() - began
        self.moved(size)
        return found

    def moved(self, size: int) -> None:
        """So many bytes went through."""
        self._left = min(self._patience, self._left + size / LEAST)
