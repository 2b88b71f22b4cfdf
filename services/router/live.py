"""What the proxy that runs really has: read over its socket, then kept in step with what it is told."""

from collections import defaultdict
from typing import Literal

import msgspec

from services.router import maps, render, runtime_api
from services.router.entries import backend_of
from services.router.files import Files
from services.router.maps import Maps

State = Literal["ready", "drain", "maint"]
_MAINTENANCE, _DRAIN = 0x01 | 0x02 | 0x04 | 0x20, 0x08 | 0x10
_SERVER_FIELDS = 7


class Live(msgspec.Struct, kw_only=True):
    """`servers`: state by backend and name; `hosts`: their map; `certificates`: hosts in the certificate list; `maps`: the other maps.

    `worker` is the process id of the one that serves, `shape` its description.
    """

    worker: int = 0
    shape: str = ""
    servers: defaultdict[str, dict[str, State]]
    hosts: dict[str, str]
    certificates: set[str]
    maps: Maps = msgspec.field(default_factory=dict)

    def uses(self, backend: str) -> bool:
        """A host leads to it, or one of its servers takes requests or has sessions to end."""
        served = any(state != "maint" for state in self.servers.get(backend, {}).values())
        return served or any(backend_of(target) == backend for target in self.hosts.values())


async def read(files: Files, *, tls: bool) -> Live:
    """Ask the running proxy. `Away` when it does not answer."""
    commands = ["show info", "show servers state", f"show map {files.host_map}", *(f"show map {files.map(name)}" for name in maps.NAMES)]
    info, states, hosts, *rest = await runtime_api.ask(files.admin, commands + ([f"show ssl crt-list {files.crt_list}"] if tls else []))
    return Live(
        worker=runtime_api.pid_in(info),
        shape=runtime_api.info(info).get("description", ""),
        servers=_servers(states),
        hosts=_hosts(hosts),
        certificates=_certificates(rest[-1]) if tls else set(),
        maps={name: maps.read(text) for name, text in zip(maps.NAMES, rest, strict=False)},
    )


def _servers(text: str) -> defaultdict[str, dict[str, State]]:
    found: defaultdict[str, dict[str, State]] = defaultdict(dict)
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= _SERVER_FIELDS and not line.startswith("#") and render.slot_of(fields[1]) is not None:
            found[fields[1]][fields[3]] = _state(int(fields[6]))
    return found


def _state(admin: int) -> State:
    if admin & _MAINTENANCE:
        return "maint"
    return "drain" if admin & _DRAIN else "ready"


def _hosts(text: str) -> dict[str, str]:
    rows = (line.split() for line in text.splitlines())
    return {row[1]: row[2] for row in rows if len(row) == 3 and render.slot_of(backend_of(row[2])) is not None}  # noqa: PLR2004 - pointer, key, value


def _certificates(text: str) -> set[str]:
    return {line.split()[0].rsplit("/", 1)[-1].removesuffix(".pem") for line in text.splitlines() if line and not line.startswith("#")}
