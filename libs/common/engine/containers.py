"""Containers: changed by id alone, never by name."""

import math
from collections.abc import Collection

import docker
import msgspec

from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, NotFound, Refused, StartFailed
from libs.common.engine.lines import Params, answer
from libs.common.engine.spec import CPU_PERIOD, MEGABYTE, ContainerSpec, create_body
from libs.common.states import ReplicaState

INSTANCE_LABEL = "dockup.instance"
APP_LABEL = "dockup.app"


class ContainerSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One container as `inspect` gives it.

    Times are the engine's RFC 3339, None for never. `pid` is 0 and `address` is None while it does not run, but an address that was
    given at creation always stands. `error` is why the last start failed.
    """

    id: str
    name: str
    labels: dict[str, str]
    state: ReplicaState
    image_id: str
    address: str | None
    pid: int
    exit_code: int
    oom_killed: bool
    restart_count: int
    restart_policy: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    error: str


class ContainerListed(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine's list says of a container, in one cheap call for all of them. `addresses` are those in all of its networks."""

    id: str
    name: str
    labels: dict[str, str]
    state: ReplicaState
    image_id: str
    address: str | None
    addresses: tuple[str, ...] = ()


class _Ipam(msgspec.Struct, rename="pascal"):
    address: str = msgspec.field(name="IPv4Address", default="")


class _Endpoint(msgspec.Struct, rename="pascal"):
    ipam: _Ipam | None = msgspec.field(name="IPAMConfig", default=None)
    ip_address: str = msgspec.field(name="IPAddress", default="")


class _Networks(msgspec.Struct, rename="pascal"):
    networks: dict[str, _Endpoint] = {}

    def address(self) -> str | None:
        """The address that was asked for, else the one that the engine gave."""
        return next(iter(self.addresses()), None)

    def addresses(self) -> tuple[str, ...]:
        found = ((endpoint.ipam.address if endpoint.ipam else "") or endpoint.ip_address for endpoint in self.networks.values())
        return tuple(address for address in found if address)


class _Config(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None


class _Policy(msgspec.Struct, rename="pascal"):
    name: str = ""


class _Host(msgspec.Struct, rename="pascal"):
    restart_policy: _Policy


class _State(msgspec.Struct, rename="pascal"):
    status: ReplicaState
    pid: int
    exit_code: int
    error: str
    started_at: str
    finished_at: str
    oom_killed: bool = msgspec.field(name="OOMKilled", default=False)


class _Inspected(msgspec.Struct, rename="pascal"):
    id: str
    name: str
    image: str
    created: str
    restart_count: int
    state: _State
    config: _Config
    host_config: _Host
    network_settings: _Networks


class _Sized(msgspec.Struct, rename="pascal"):
    size_rw: int = 0


class _Listed(msgspec.Struct, rename="pascal"):
    id: str
    names: list[str]
    state: ReplicaState
    network_settings: _Networks
    image_id: str = msgspec.field(name="ImageID")
    labels: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(list[_Listed])


async def create(engine: Engine, spec: ContainerSpec) -> str:
    """Create a container and return its id. `Conflict`: the name is taken; `ImageMissing`: the image is not here."""
    made = await engine.call(engine.api.create_container_from_config, create_body(spec), spec.name)
    return str(made["Id"])


async def start(engine: Engine, container_id: str) -> None:
    """Start it; one that runs already is fine. `StartFailed` carries the engine's reason, `NotFound`: it is gone."""
    try:
        await engine.call(engine.api.start, container_id)
    except NotFound as error:
        # The engine says 404 for a command or a network that is not there, too.
        if "no such container" in str(error).lower():
            raise
        raise StartFailed(str(error)) from error
    except (Refused, Conflict) as error:
        raise StartFailed(str(error)) from error


async def stop(engine: Engine, container_id: str, timeout: float) -> None:
    """The image's stop signal (TERM), and KILL by the engine after `timeout` seconds. Stopped or gone already is fine."""
    try:
        await engine.call(engine.long.stop, container_id, math.ceil(timeout))
    except NotFound:
        return


async def kill(engine: Engine, container_id: str, signal: str = "KILL") -> None:
    """Send a signal. Not running or gone already is fine."""
    try:
        await engine.call(engine.api.kill, container_id, signal)
    except (NotFound, Conflict):
        return


async def pause(engine: Engine, container_id: str) -> None:
    """Freeze it: its processes stand still, its connections stay open. Paused already is fine; `Conflict`: it does not run."""
    try:
        await engine.call(engine.api.pause, container_id)
    except Conflict as error:
        if "already paused" not in str(error).lower():
            raise


async def unpause(engine: Engine, container_id: str) -> None:
    """Have it go on. One that is not paused is fine, `NotFound`: it is gone."""
    try:
        await engine.call(engine.api.unpause, container_id)
    except (Conflict, Refused) as error:
        if "not paused" not in str(error).lower():
            raise


async def remove(engine: Engine, container_id: str) -> None:
    """Remove it and its anonymous volumes, running or not. Gone already, or going, is fine."""
    try:
        await engine.call(engine.long.remove_container, container_id, v=True, force=True)
    except NotFound:
        return
    except Conflict as error:
        if "already in progress" not in str(error).lower():
            raise


async def update(
    engine: Engine,
    container_id: str,
    *,
    restart_policy: str | None = None,
    cpu: float | None = None,
    memory: int | None = None,
) -> None:
    """Change what is given, live. `cpu` in cores, `memory` in MB; 0 takes the limit away (of memory: raises it to the machine's)."""
    changes: dict[str, object] = {}
    if restart_policy is not None:
        changes["restart_policy"] = {"Name": restart_policy}
    if cpu is not None:
        changes |= {"cpu_period": CPU_PERIOD, "cpu_quota": round(cpu * CPU_PERIOD) or -1}
    if memory is not None:
        size = (memory or (await engine.info()).memory_mb) * MEGABYTE
        changes |= {"mem_limit": size, "memswap_limit": size}
    await engine.call(engine.api.update_container, container_id, **changes)  # type: ignore[arg-type]


async def inspect(engine: Engine, container_id: str) -> ContainerSeen:
    """Look at one container; `NotFound` when it is gone."""
    raw = msgspec.convert(await engine.call(engine.api.inspect_container, container_id), _Inspected)
    return ContainerSeen(
        id=raw.id,
        name=raw.name.removeprefix("/"),
        labels=raw.config.labels or {},
        state=raw.state.status,
        image_id=raw.image,
        address=raw.network_settings.address(),
        pid=raw.state.pid,
        exit_code=raw.state.exit_code,
        oom_killed=raw.state.oom_killed,
        restart_count=raw.restart_count,
        restart_policy=raw.host_config.restart_policy.name or "no",
        created_at=raw.created,
        started_at=_moment(raw.state.started_at),
        finished_at=_moment(raw.state.finished_at),
        error=raw.state.error,
    )


async def written(engine: Engine, container_id: str) -> int:
    """How many bytes stand in its own layer, over those of its image. The engine counts them one by one; `NotFound` when it is gone."""
    return await engine.call(_written, engine.api, container_id)


def _written(api: docker.APIClient, container_id: str) -> int:
    sized: Params = {"size": 1}
    return msgspec.json.decode(answer(api, "GET", f"/containers/{container_id}/json", sized).content, type=_Sized).size_rw


async def list_ours(
    engine: Engine, instance: str, app_id: str | None = None, *, container_ids: Collection[str] = ()
) -> list[ContainerListed]:
    """Every container of this installation, running or not; with `app_id` those of one app, with `container_ids` these alone.

    The engine looks at every container for a label, and for an id at that one only.
    """
    labels = [f"{INSTANCE_LABEL}={instance}"] + ([f"{APP_LABEL}={app_id}"] if app_id else [])
    ids = {"id": sorted(container_ids)} if container_ids else {}
    return await engine.call(_list, engine.api, {"label": labels, **ids})


def _list(api: docker.APIClient, filters: dict[str, list[str]]) -> list[ContainerListed]:
    """As docker-py's `containers`, but what nobody asks of the long answer is never made into objects; blocks."""
    params: Params = {"all": 1, "filters": msgspec.json.encode(filters).decode()}
    return [_listed(raw) for raw in _decoder.decode(answer(api, "GET", "/containers/json", params).content)]


def _listed(raw: _Listed) -> ContainerListed:
    return ContainerListed(
        id=raw.id,
        name=raw.names[0].removeprefix("/") if raw.names else "",
        labels=raw.labels or {},
        state=raw.state,
        image_id=raw.image_id,
        address=raw.network_settings.address(),
        addresses=raw.network_settings.addresses(),
    )


def _moment(text: str) -> str | None:
    """The engine writes the year 1 for never."""
    return None if text.startswith("0001-") else text
