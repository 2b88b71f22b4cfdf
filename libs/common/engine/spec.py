"""What a container of an app is made from, and its hardening. Pure."""

import msgspec

KEPT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
PIDS_LIMIT = 1024
CPU_PERIOD = 100_000
MEGABYTE = 1024 * 1024

_LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


class VolumeMount(msgspec.Struct, frozen=True, kw_only=True):
    """A named volume at `path`. The engine makes it, with these labels, where it is not there; a new one gets what the image has there."""

    name: str
    path: str
    labels: dict[str, str]


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`cpu` in cores, `memory` in MB, None for no limit. `address` is of the network's subnet; None lets the engine choose.

    `command` replaces the image's own and leaves its entry point, unless `entry_point` replaces that; `env` is in the clear. `port` None
    exposes none. `user` None is the image's. `dns` None is the engine's own way to names; with addresses, these are asked, from within.
    """

    name: str
    image_id: str
    labels: dict[str, str]
    env: dict[str, str]
    command: tuple[str, ...] | None
    network: str
    address: str | None
    port: int | None
    cpu: float | None
    memory: int | None
    restart_policy: str = "no"
    volumes: tuple[VolumeMount, ...] = ()
    entry_point: tuple[str, ...] | None = None
    user: str | None = None
    capabilities: tuple[str, ...] = KEPT_CAPABILITIES
    dns: tuple[str, ...] | None = None


def create_body(spec: ContainerSpec) -> dict[str, object]:
    """Return the body of the engine's `POST /containers/create`. The stop signal is left to the image; no port is published."""
    endpoint = {"IPAMConfig": {"IPv4Address": spec.address}} if spec.address else {}
    body: dict[str, object] = {
        "Image": spec.image_id,
        "Labels": spec.labels,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        **({"ExposedPorts": {f"{spec.port}/tcp": {}}} if spec.port else {}),
        "HostConfig": _host(spec),
        "NetworkingConfig": {"EndpointsConfig": {spec.network: endpoint}},
    }
    given = {"Cmd": spec.command, "Entrypoint": spec.entry_point, "User": spec.user}
    return body | {name: value if isinstance(value, str) else list(value) for name, value in given.items() if value is not None}


def _host(spec: ContainerSpec) -> dict[str, object]:
    return {
        "NetworkMode": spec.network,
        "RestartPolicy": {"Name": spec.restart_policy},
        "CapDrop": ["ALL"],
        "CapAdd": list(spec.capabilities),
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,
        "PidsLimit": PIDS_LIMIT,
        "LogConfig": _LOGS,
        **({"Dns": list(spec.dns)} if spec.dns else {}),
        **({"Mounts": [mount_body(volume) for volume in spec.volumes]} if spec.volumes else {}),
        **cpu_limit(spec.cpu),
        **memory_limit(spec.memory),
    }


def mount_body(volume: VolumeMount) -> dict[str, object]:
    return {"Type": "volume", "Source": volume.name, "Target": volume.path, "VolumeOptions": {"Labels": volume.labels}}


def cpu_limit(cores: float | None) -> dict[str, object]:
    return {} if cores is None else {"CpuPeriod": CPU_PERIOD, "CpuQuota": round(cores * CPU_PERIOD)}


def memory_limit(megabytes: int | None) -> dict[str, object]:
    """Swap counts into `MemorySwap`: equal figures mean no swap."""
    return {} if megabytes is None else {"Memory": megabytes * MEGABYTE, "MemorySwap": megabytes * MEGABYTE}
