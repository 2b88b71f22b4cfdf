"""Is a port really free? Two proxies can share one through SO_REUSEPORT without noticing, so it is tried before HAProxy starts."""

import errno
import socket
from collections.abc import Mapping
from pathlib import Path

from services.router.problem import Problem

_LISTEN = "0A"


def require_free(ports: Mapping[str, int], bind: str) -> None:
    """`Problem` for the first port that cannot be taken; `ports` is by the name of the setting that chooses it."""
    for setting, port in ports.items():
        try:
            _try(bind, port)
        except PermissionError as error:
            raise Problem(f"Port {port} needs root: run as root, or set {setting} to a port above 1023.") from error
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise Problem(f"DOCKUP_BIND is {bind!r}, which is not an address of this machine.") from error
            raise Problem(f"Port {port} is taken{_by(port)}: stop what listens there, or set {setting} to a free port.") from error


def _try(bind: str, port: int) -> None:
    """Bind and listen as HAProxy will. SO_REUSEADDR only looks past connections that are closing, never past a listener."""
    family = socket.AF_INET6 if ":" in bind or (not bind and socket.has_dualstack_ipv6()) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not bind:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind((bind, port))
        probe.listen(1)


def binds(bind: str) -> tuple[str, ...]:
    """The addresses to listen on, as HAProxy writes them."""
    if bind:
        return (f"[{bind}]:{{port}}" if ":" in bind else f"{bind}:{{port}}",)
    return (":::{port} v4v6",) if socket.has_dualstack_ipv6() else ("*:{port}",)


def _by(port: int) -> str:
    """` by NAME (process PID)` where we may see it, else nothing."""
    inodes = {f"socket:[{inode}]" for inode in _listeners(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return f" by {(process / 'comm').read_text(encoding='utf-8').strip()} (process {process.name})"
        except OSError:  # it ended meanwhile, or is not ours to look into
            continue
    return ""


def _listeners(port: int) -> list[str]:
    """The inodes of the sockets that listen on `port`."""
    rows = [line.split() for name in ("tcp", "tcp6") if (table := Path("/proc/net", name)).is_file() for line in _lines(table)]
    return [row[9] for row in rows if row[3] == _LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port]


def _lines(table: Path) -> list[str]:
    return table.read_text(encoding="ascii").splitlines()[1:]
