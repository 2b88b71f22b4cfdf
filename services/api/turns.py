"""Fair turns for those who send much."""

import asyncio


class Turns:
    """Gives who sends many frames a turn after the other, one each time round the loop, so that nothing else waits longer than for one."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def mine(self) -> None:
        async with self._lock:
            await asyncio.sleep(0)
