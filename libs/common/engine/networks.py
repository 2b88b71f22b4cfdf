"""Networks: a bridge a project, with a subnet that we choose."""

import ipaddress

import msgspec
from docker.types import IPAMConfig, IPAMPool

from libs.common.engine.connect import Engine
from libs.common.engine.containers import INSTANCE_LABEL
from libs.common.engine.errors import Conflict, NotFound, Refused

PROJECT_LABEL = "dockup.project"


class NetworkSeen(msgspec.Struct, frozen=True, kw_only=True):
    """`subnets` in CIDR form; `gateway` is the host's address in the first of them."""

    id: str
    name: str
    labels: dict[str, str]
    subnets: tuple[str, ...]
    gateway: str | None


class _Pool(msgspec.Struct, rename="pascal"):
    subnet: str = ""
    gateway: str = ""


class _Ipam(msgspec.Struct, rename="pascal"):
    config: list[_Pool] | None = None


class _Network(msgspec.Struct, rename="pascal"):
    id: str
    name: str
    ipam: _Ipam = msgspec.field(name="IPAM")
    labels: dict[str, str] | None = None


async def ensure(engine: Engine, name: str, labels: dict[str, str], subnet: str, *, internal: bool = False) -> NetworkSeen:
    """Return the network of that name, made now where it was missing. `SubnetTaken`: choose another subnet.

    One that is there already keeps its own subnet, so look at the answer's. `internal`: it leads to the host alone, and nowhere beyond.
    """
    if found := await _by_name(engine, name):
        return found
    pool = IPAMPool(subnet=subnet, gateway=str(ipaddress.ip_network(subnet)[1]))
    try:
        await engine.call(
            engine.api.create_network,
            name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]),
            check_duplicate=True,
            internal=internal,
            labels=labels,
        )
    except Conflict:
        # Somebody made it in between; when not even that, the conflict stands.
        if (found := await _by_name(engine, name)) is None:
            raise
        return found
    return await _made(engine, name)


async def find(engine: Engine, instance: str, project_id: str) -> NetworkSeen | None:
    """The project's network, or None."""
    labels = [f"{INSTANCE_LABEL}={instance}", f"{PROJECT_LABEL}={project_id}"]
    found = await _list(engine, {"label": labels})
    return found[0] if found else None


async def list_all(engine: Engine) -> list[NetworkSeen]:
    """Every network of the engine, ours or not."""
    return await _list(engine, {})


async def remove(engine: Engine, network_id: str) -> None:
    """Remove it; gone already is fine. `Conflict`: containers are still in it."""
    try:
        await engine.call(engine.api.remove_network, network_id)
    except NotFound:
        return
    except Refused as error:
        if "active endpoints" in str(error).lower():
            raise Conflict(str(error)) from error
        raise


async def _made(engine: Engine, name: str) -> NetworkSeen:
    if found := await _by_name(engine, name):
        return found
    raise NotFound(f"the network {name} was removed while it was made")


async def _by_name(engine: Engine, name: str) -> NetworkSeen | None:
    # The engine's filter matches parts of names.
    found = await _list(engine, {"name": name})
    return next((network for network in found if network.name == name), None)


async def _list(engine: Engine, filters: dict[str, str | list[str]]) -> list[NetworkSeen]:
    found = await engine.call(engine.api.networks, filters=filters)
    return [_seen(raw) for raw in msgspec.convert(found, list[_Network])]


def _seen(raw: _Network) -> NetworkSeen:
    pools = [pool for pool in raw.ipam.config or [] if pool.subnet]
    return NetworkSeen(
        id=raw.id,
        name=raw.name,
        labels=raw.labels or {},
        subnets=tuple(pool.subnet for pool in pools),
        gateway=next((pool.gateway for pool in pools if pool.gateway), None),
    )
