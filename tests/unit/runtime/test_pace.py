"""Who is slow loses the place that others want; who goes on keeps it."""

import asyncio

import pytest

from services.runtime.volumes.pace import LEAST, Pace, TooSlow


async def go_on(pace: Pace, times: int, seconds: float, *, size: int) -> None:
    for _ in range(times):
        await pace.within(asyncio.sleep(seconds), size)


async def test_nothing_at_all_ends_it() -> None:
    with pytest.raises(TooSlow):
        await Pace(patience=0.02).within(asyncio.Event().wait())


async def test_a_few_bytes_now_and_then_end_it_too() -> None:
    with pytest.raises(TooSlow):
        await go_on(Pace(patience=0.1), 100, 0.01, size=1)


async def test_enough_of_them_keep_it_and_are_no_credit_for_later() -> None:
    pace = Pace(patience=1)
    await go_on(pace, 40, 0.03, size=100 * LEAST)
    async with asyncio.timeout(20):
        with pytest.raises(TooSlow):
            await pace.within(asyncio.Event().wait())
