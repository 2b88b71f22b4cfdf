"""Who acts on the engine, when the lease changes hands."""

import asyncio

import pytest

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.bus import NoAnswer
from libs.common.engine import containers
from services.runtime.lease import RuntimeLease
from tests.integration.runtime.stack import Stack
from tests.integration.runtime.test_faults import answers, live
from tests.integration.runtime.test_misfits import pings

pytestmark = pytest.mark.long


async def is_silent(stack: Stack, app_id: str) -> None:
    """It stops answering a moment after it has stopped acting."""
    async with asyncio.timeout(30):
        while True:
            try:
                await stack.logs(app_id)
            except NoAnswer:
                return


async def test_who_lost_the_lease_does_and_answers_nothing_until_it_is_back(stack: Stack) -> None:
    app_id = await live(stack)
    leases = Bucket(stack.bus, subjects.LEASES, RuntimeLease)
    mine = next(key for key in await (await stack.bus.js.key_value(subjects.LEASES)).keys() if key.startswith("runtime."))
    other = RuntimeLease(instance_id="rt_other")
    await leases.put(mine, other)
    await pings(stack, "standby")
    await is_silent(stack, app_id)
    await leases.put(mine, other)  # else it would end of age on a slow machine
    [container] = await stack.containers(app_id)
    await containers.remove(stack.engine, container.id)
    await asyncio.sleep(2)  # what would be made takes a fifth of a second
    assert await stack.containers(app_id) == []
    await leases.delete(mine)
    await answers(stack, app_id)
    assert (await stack.logs(app_id)).unknown_replica is False
