"""Probes: of a replica from outside its container, and of an app through the proxy. Raw streams, no client library."""

import asyncio
import contextlib
import ssl

import msgspec

from libs.common.messages.api import HealthCheck
from libs.common.messages.router import RouterLease

_HEAD_BYTES = 65_536
_HEALTHY_FROM, _HEALTHY_BELOW = 200, 400
_FAULTS = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError)


class Head(msgspec.Struct, frozen=True):
    """The head of an HTTP answer; names of fields in lower case."""

    status: int
    fields: dict[str, str]


async def probe(address: str, port: int, check: HealthCheck, *, first: bool = False) -> str:
    """Probe once; return what is wrong, or the empty string. `none` is always healthy.

    `first`: of a candidate; a check by `tcp` then wants any answer in HTTP. Without one it could not become live, and while the proxy
    tried, requests would meet it instead of what serves.
    """
    if check.type == "none":
        return ""
    try:
        async with asyncio.timeout(check.timeout_seconds):
            if check.type == "http":
                return await _http(address, port, check.path)
            return await (_speaks_http(address, port) if first else _tcp(address, port))
    except TimeoutError:
        return f"port {port} did not answer within {check.timeout_seconds:g} seconds"
    except ConnectionRefusedError:
        return f"nothing accepts connections on port {port}"
    except _FAULTS as error:
        return f"port {port}: {error or type(error).__name__}"


async def _tcp(address: str, port: int) -> str:
    _, writer = await asyncio.open_connection(address, port)
    await _close(writer)
    return ""


async def _speaks_http(address: str, port: int) -> str:
    await _ask((address, port), f"{address}:{port}", "/", {}, secure=False)
    return ""


async def _http(address: str, port: int, path: str) -> str:
    head = await _ask((address, port), f"{address}:{port}", path, {}, secure=False)
    fine = _HEALTHY_FROM <= head.status < _HEALTHY_BELOW
    return "" if fine else f"{path} answered {head.status} on port {port}"


async def through(lease: RouterLease, host: str, path: str, seconds: float) -> tuple[str, str]:
    """Ask for `path` of `host` through a router's proxy.

    Return the name of the upstream that answered, empty when none did, and what was wrong then.
    """
    secure = lease.https_port is not None
    port = lease.https_port or lease.http_port
    try:
        async with asyncio.timeout(seconds):
            head = await _ask((lease.address, port), host, path, {"X-Dockup-Probe": lease.probe_token}, secure=secure)
    except _FAULTS as error:
        return "", f"the proxy at {lease.address}:{port}: {error or type(error).__name__}"
    return head.fields.get("x-dockup-replica", ""), f"the proxy answered {head.status} itself"


async def _ask(at: tuple[str, int], host: str, path: str, fields: dict[str, str], *, secure: bool) -> Head:
    tls = {"ssl": _UNVERIFIED, "server_hostname": host} if secure else {}
    reader, writer = await asyncio.open_connection(*at, **tls, limit=_HEAD_BYTES)  # type: ignore[arg-type]
    try:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "User-Agent: dockup-probe", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        return read_head(await reader.readuntil(b"\r\n\r\n"))
    finally:
        await _close(writer)


def read_head(data: bytes) -> Head:
    """Read status line and fields; `ValueError` when it is no HTTP."""
    first, *rest = data.decode("latin-1").split("\r\n")
    version, _, after = first.partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError("what answers does not speak HTTP")
    fields = (line.partition(":") for line in rest if line)
    return Head(int(after[:3]), {name.strip().lower(): value.strip() for name, _, value in fields})


async def _close(writer: asyncio.StreamWriter) -> None:
    """Cut it: nobody waits for the other side of a probe."""
    with contextlib.suppress(OSError):
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    """The proxy's certificate is of its own making; what proves the answer is the token and the replica's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_UNVERIFIED = _unverified()
