"""Networks on a real engine."""

from collections.abc import Callable
from ipaddress import ip_network

import pytest

from libs.common.engine import containers, networks
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, SubnetTaken
from libs.common.engine.networks import NetworkSeen
from libs.common.engine.spec import ContainerSpec

Spec = Callable[..., ContainerSpec]


async def test_a_network_is_made_once(engine: Engine, instance: str, network: NetworkSeen) -> None:
    assert network.gateway == str(ip_network(network.subnets[0])[1])
    assert await networks.ensure(engine, network.name, network.labels, network.subnets[0]) == network
    assert await networks.find(engine, instance, "prj_1") == network
    assert await networks.find(engine, instance, "prj_2") is None
    assert network in await networks.list_all(engine)


async def test_a_subnet_that_is_taken(engine: Engine, instance: str, network: NetworkSeen) -> None:
    with pytest.raises(SubnetTaken):
        await networks.ensure(engine, f"{instance}-other", network.labels, network.subnets[0])


async def test_removing(engine: Engine, network: NetworkSeen, spec: Spec) -> None:
    container = await containers.create(engine, spec())
    await containers.start(engine, container)
    with pytest.raises(Conflict):
        await networks.remove(engine, network.id)
    await containers.remove(engine, container)
    await networks.remove(engine, network.id)
    await networks.remove(engine, network.id)
