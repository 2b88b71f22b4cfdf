"""Which ports to take: those that are set, else those of last time, else the usual ones; never one that somebody else has."""

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from libs.common.config import SettingError
from libs.supervisor.home import Ports
from libs.supervisor.settings import Settings

_LISTEN = "0A"
_USUAL = (80, 443)
_HIGH = (8080, 8443)
_API = range(8000, 8100)
_NATS = range(14222, 14322)
"""Below the range of outgoing connections: a client that calls a port there while nobody listens can end up calling itself."""


class Taken(msgspec.Struct, frozen=True):
    """Why a port cannot be had: `why` goes on after the port, `instead` after "set … to"."""

    why: str
    instead: str = "another one or end what has it"


Probe = Callable[[int, str], Taken | None]
"""Says whether a port can be had on an address (`` for all)."""

Ours = Callable[[int], bool]
"""Says whether a pid is one of our own processes, whose port is ours to take again."""


def choose(settings: Settings, last: Ports | None, probe: Probe, *, root: bool) -> Ports:
    """Decide on all four; `SettingError` names the setting that would help."""
    http, https = _web(settings, last, probe, root=root)
    return Ports(
        http=http,
        https=https,
        api=_own("DOCKUP_API_PORT", settings.api_port, last.api if last else None, _API, probe),
        nats=_own("DOCKUP_NATS_URL", None, last.nats if last else None, _NATS, probe),
    )


def _web(settings: Settings, last: Ports | None, probe: Probe, *, root: bool) -> tuple[int, int]:
    if last:
        usual = (last.http, last.https)
    else:
        low = root and not any(probe(port, "") for port in _USUAL)
        usual = _USUAL if low else _HIGH
    http, https = settings.http_port or usual[0], settings.https_port or usual[1]
    if http == https:
        raise SettingError("DOCKUP_HTTPS_PORT", f"is {https}, and so is DOCKUP_HTTP_PORT; they must differ")
    _must_be_free("DOCKUP_HTTP_PORT", http, "", probe)
    _must_be_free("DOCKUP_HTTPS_PORT", https, "", probe)
    return http, https


def _own(name: str, fixed: int | None, last: int | None, usual: range, probe: Probe) -> int:
    """Choose a port on loopback: what nobody has written down may move when it is taken."""
    if fixed:
        _must_be_free(name, fixed, "127.0.0.1", probe)
        return fixed
    wanted: list[int] = [*([last] if last else []), *usual]
    for port in wanted:
        if probe(port, "127.0.0.1") is None:
            return port
    raise SettingError(name, f"is not set and the usual ports, {usual.start} to {usual.stop - 1}, are taken")


def _must_be_free(name: str, port: int, address: str, probe: Probe) -> None:
    if taken := probe(port, address):
        raise SettingError(name, f"port {port} {taken.why}; set {name} to {taken.instead}")


def prober(ours: Ours) -> Probe:
    """Make the real probe."""

    def probe(port: int, address: str) -> Taken | None:
        error = _bind(port, address)
        if error is None:
            return None
        if error.errno in {errno.EACCES, errno.EPERM}:
            return Taken("is for root alone", "another one, such as 8080 or 8443")
        if error.errno != errno.EADDRINUSE:
            return Taken(f"cannot be had ({error.strerror})")
        found = holders(port)
        if found and all(ours(pid) for pid in found):
            return None
        names = ", ".join(sorted({f"{name_of(pid)} (pid {pid})" for pid in found}))
        return Taken(f"is taken by {names}" if names else "is taken by a program that this user cannot see")

    return probe


def _bind(port: int, address: str) -> OSError | None:
    """Bind without SO_REUSEPORT: that fails even beside a listener which would share the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def holders(port: int) -> list[int]:
    """Pids that hold a listening TCP socket on `port`; only root sees those of other users."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _holds(entry / "fd", wanted)]


def is_heard(port: int) -> bool:
    """Whether anybody listens on `port`, whoever it is."""
    return bool(_inodes(port))


def _inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _holds(folder: Path, wanted: set[str]) -> bool:
    try:
        return any(_target(link) in wanted for link in folder.iterdir())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return "a process that has ended"
