"""From what the proxy has to what the table says, for one app: pure, printable, never leaving a request without a server."""

from collections.abc import Sequence

import msgspec

from libs.common.messages.runtime import Upstream
from services.router.entries import ASLEEP, backend_of, entry
from services.router.live import Live, State


class AddServer(msgspec.Struct, frozen=True, kw_only=True):
    backend: str
    name: str
    address: str
    port: int


class SetServer(msgspec.Struct, frozen=True, kw_only=True):
    backend: str
    name: str
    state: State


class AddCertificate(msgspec.Struct, frozen=True, kw_only=True):
    host: str


class RemoveCertificate(msgspec.Struct, frozen=True, kw_only=True):
    host: str


class MapHost(msgspec.Struct, frozen=True, kw_only=True):
    """`backend` is the entry of the map; `known`: it has the host already, with another entry."""

    host: str
    backend: str
    known: bool = False


class UnmapHost(msgspec.Struct, frozen=True, kw_only=True):
    host: str


Step = AddServer | SetServer | AddCertificate | RemoveCertificate | MapHost | UnmapHost


def plan(backend: str, hosts: Sequence[str], upstreams: Sequence[Upstream], live: Live, *, tls: bool, state: str = "") -> list[Step]:
    """New servers first, then the hosts lead here, then the old ones drain; last goes what is not wanted any more.

    Of an app that goes to sleep the hosts' entry alone turns new requests away: one that was on its way still finds a server.
    """
    leaving = [host for host, target in live.hosts.items() if backend_of(target) == backend and host not in hosts]
    target = entry(backend, state)
    return [
        *_arriving(backend, upstreams, live),
        *(AddCertificate(host=host) for host in hosts if tls and host not in live.certificates),
        *(MapHost(host=host, backend=target, known=host in live.hosts) for host in hosts if live.hosts.get(host) != target),
        *(UnmapHost(host=host) for host in leaving),
        *(RemoveCertificate(host=host) for host in leaving if host in live.certificates),
        *([] if state == ASLEEP else _draining(backend, upstreams, live)),
        *_going(backend, upstreams, live),
    ]


def takes_out(step: Step) -> bool:
    """Whether what serves is taken out: that is done once all else is."""
    return isinstance(step, SetServer) and step.state != "ready"


def _arriving(backend: str, upstreams: Sequence[Upstream], live: Live) -> list[Step]:
    steps: list[Step] = []
    for up in upstreams:
        state = live.servers[backend].get(up.name)
        if up.draining_since or state == "ready":
            continue
        if state is None:
            steps.append(AddServer(backend=backend, name=up.name, address=up.address, port=up.port))
        steps.append(SetServer(backend=backend, name=up.name, state="ready"))
    return steps


def _draining(backend: str, upstreams: Sequence[Upstream], live: Live) -> list[Step]:
    """A draining upstream that the proxy does not have holds no session there: nothing to do."""
    names = [up.name for up in upstreams if up.draining_since and live.servers[backend].get(up.name) == "ready"]
    return [SetServer(backend=backend, name=name, state="drain") for name in names]


def _going(backend: str, upstreams: Sequence[Upstream], live: Live) -> list[Step]:
    wanted = {up.name for up in upstreams}
    names = [name for name, state in live.servers[backend].items() if name not in wanted and state != "maint"]
    return [SetServer(backend=backend, name=name, state="maint") for name in names]


def note(live: Live, step: Step) -> None:
    """Keep `live` in step with what was done."""
    match step:
        case AddServer():
            live.servers[step.backend][step.name] = "maint"
        case SetServer():
            live.servers[step.backend][step.name] = step.state
        case AddCertificate():
            live.certificates.add(step.host)
        case RemoveCertificate():
            live.certificates.discard(step.host)
        case MapHost():
            live.hosts[step.host] = step.backend
        case UnmapHost():
            live.hosts.pop(step.host, None)
