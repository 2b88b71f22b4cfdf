"""The networks of projects and the addresses in them: who has which, and which comes next."""

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Callable

from libs.common.engine import networks
from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, EngineError, SubnetTaken
from libs.common.engine.networks import NetworkSeen
from services.runtime.addresses import Released, choose, host_networks, subnets
from services.runtime.spec import network_name


class PoolExhausted(EngineError):
    """DOCKUP_NETWORK_POOL has no subnet left."""


class Networks:
    """Knows the networks of this installation. `in_use` tells which addresses containers have or routes name.

    `_known` is another dict after each change.
    """

    def __init__(self, engine: Engine, *, instance: str, pool: str, released: Released, in_use: Callable[[], set[str]]) -> None:
        self._engine = engine
        self._instance = instance
        self._pool = pool
        self._in_use = in_use
        self._released = released
        self._known: dict[str, NetworkSeen] = {}
        self._reserved: set[str] = set()
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Learn which projects have a network."""
        while True:
            known = self._known
            found = await networks.list_all(self._engine)
            if self._known is known:
                break  # else one was made or removed while the engine listed
        ours = [network for network in found if network.labels.get("dockup.instance") == self._instance]
        self._known = {network.labels[networks.PROJECT_LABEL]: network for network in ours if networks.PROJECT_LABEL in network.labels}

    def has(self, project_id: str) -> bool:
        return project_id in self._known

    def forget(self, project_id: str) -> None:
        """The engine says that it is not there."""
        self._known = {project: network for project, network in self._known.items() if project != project_id}

    async def ensure(self, project_id: str) -> None:
        """Make the project's network if it is missing. `PoolExhausted`: there is no subnet for it."""
        async with self._lock:
            if project_id in self._known:
                return
            name = network_name(self._instance, project_id)
            made = await self._make(name, {networks.PROJECT_LABEL: project_id})
            self._known = {**self._known, project_id: made}

    async def apart(self, name: str, labels: dict[str, str]) -> NetworkSeen:
        """Make a network of no project, which leads nowhere but to the host. `PoolExhausted`."""
        async with self._lock:
            return await self._make(name, labels, internal=True)

    async def _make(self, name: str, labels: dict[str, str], *, internal: bool = False) -> NetworkSeen:
        used = [ipaddress.IPv4Network(subnet) for network in await networks.list_all(self._engine) for subnet in _v4(network)]
        labels = {"dockup.instance": self._instance, **labels}
        for subnet in subnets(self._pool, used + host_networks()):
            with contextlib.suppress(SubnetTaken):
                return await networks.ensure(self._engine, name, labels, str(subnet), internal=internal)
        raise PoolExhausted(f"DOCKUP_NETWORK_POOL {self._pool} has no free subnet left: widen it")

    async def remove(self, project_id: str, still_last: Callable[[], bool]) -> None:
        """Remove the project's network unless an app of it has come in between."""
        async with self._lock:
            network = self._known.get(project_id)
            if network is None or not still_last():
                return
            try:
                await networks.remove(self._engine, network.id)
            except Conflict:
                return  # somebody else's container is in it: it stays, and does no harm
            self.forget(project_id)

    def take(self, project_id: str) -> str | None:
        """Reserve an address for a new replica, until `settle`; None: all are taken, or the network went."""
        network = self._known.get(project_id)
        if network is None:
            return None
        address = choose(network.subnets[0], self._in_use() | self._reserved, self._released.times, time.time())
        if address is not None:
            self._reserved.add(address)
        return address

    def settle(self, address: str) -> None:
        """The reservation is over: a container has the address, or none will."""
        self._reserved.discard(address)

    def release(self, address: str) -> None:
        """The container that had it is gone."""
        if address:
            self._released.note(address)


def _v4(network: NetworkSeen) -> list[str]:
    return [subnet for subnet in network.subnets if ":" not in subnet]
