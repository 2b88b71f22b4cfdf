"""A cancellation that a call swallowed is raised all the same."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from libs.common.cancelling import heed, insist


async def deaf(end: Callable[[], str]) -> str:
    """Goes on when it is cancelled, as `asyncio.wait_for` does at the moment of the answer."""
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        return end()
    return "late"


def fails() -> str:
    raise TimeoutError


async def cancelled(call: Coroutine[object, object, str]) -> asyncio.Task[str]:
    task = asyncio.create_task(heed(call))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    return task


@pytest.mark.parametrize("end", [lambda: "an answer", fails])
async def test_a_swallowed_cancellation_is_raised(end: Callable[[], str]) -> None:
    assert (await cancelled(deaf(end))).cancelled()


async def test_an_answer_passes() -> None:
    assert await heed(asyncio.sleep(0, "an answer")) == "an answer"


async def test_a_fault_passes() -> None:
    async def call() -> str:
        return fails()

    with pytest.raises(TimeoutError):
        await heed(call())


async def test_in_a_clean_up_after_a_cancellation_calls_pass() -> None:
    cleaned: list[str] = []

    async def work() -> str:
        try:
            await asyncio.sleep(10)
        finally:
            cleaned.append(await heed(asyncio.sleep(0, "cleaned")))
        return "late"

    assert (await cancelled(work())).cancelled()
    assert cleaned == ["cleaned"]


async def test_a_time_limit_stays_a_time_limit() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await heed(deaf(lambda: "an answer"))


async def stubborn() -> None:
    """Loses the first cancellation and goes on, as `Client.connect` of nats-py does between two attempts."""
    for _ in range(2):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(10)


async def test_what_goes_on_is_cancelled_again() -> None:
    task = asyncio.create_task(insist(stubborn()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()
    assert await insist(asyncio.sleep(0, "an answer")) == "an answer"
