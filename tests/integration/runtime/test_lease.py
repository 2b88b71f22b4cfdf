"""Who acts on the engine, when the lease changes hands."""

import asyncio
from pathlib import Path

import pytest

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus, NoAnswer
from libs.common.engine import containers
from services.runtime import lease
from services.runtime.lease import RuntimeLease
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Stack
from tests.integration.runtime.test_faults import answers, live
from tests.integration.runtime.test_misfits import pings
from tests.servers.nats import NatsServer


async def is_silent(stack: Stack, app_id: str) -> None:
    """It stops answering a moment after it has stopped acting."""
    async with asyncio.timeout(30):
        while True:
            try:
                await stack.logs(app_id)
            except NoAnswer:
                return


@pytest.mark.long
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


async def test_who_could_not_renew_the_lease_in_its_time_is_not_sure_until_it_is_renewed(
    home: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 2.0)
    monkeypatch.setattr(lease, "REFRESH_SECONDS", 0.2)
    own = await Bus.connect(nats_server.url, "runtime")
    held = lease.Lease(own, home, "engine")
    again = asyncio.Event()
    task = asyncio.create_task(held.hold(lambda: None, lambda: None, again.set))
    await held.until(held=True)
    await until(held.sure)
    nats_server.kill()
    await until(lambda: not held.sure())
    assert held.held
    assert not again.is_set()
    nats_server.start()
    nats_server.ensure()
    await until(again.is_set)
    assert held.held
    task.cancel()
    await own.close()
