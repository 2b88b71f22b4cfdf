"""The machine: engine, disks, clock, DNS, ports."""

import asyncio
import ctypes
import os
import secrets
import socket
import time

from libs.common import disks
from libs.common.disks import Disk
from libs.supervisor import ports
from libs.supervisor.doctor.finding import Finding, ok, problem, skipped, warning
from libs.supervisor.doctor.patient import Patient, existing
from libs.supervisor.ours import ours

_GIGABYTE = 1024**3
_OLDEST_ENGINE = (20, 10)
_SLOW_DRIVERS = {"vfs", "devicemapper", "aufs"}
_MOST_SECONDS = 2.0
_MOST_INODES = 95.0
_LOOK_UP_SECONDS = 5.0
_UNSYNCHRONISED = 0x40
_STATUS_OFFSET = 40
"""Of `status` in `struct timex` on 64-bit Linux: see adjtimex(2)."""


async def engine(patient: Patient) -> list[Finding]:
    info = patient.engine
    if info is None:
        how = "start it (systemctl start docker), or: dockup up --detach; the user needs the group docker"
        return [problem("engine", f"no Docker Engine answers at {patient.settings.docker_host}: {patient.engine_trouble}", how)]
    text = f"{info.version}, {info.storage_driver}, cgroup v{info.cgroup_version} ({info.cgroup_driver}), {info.ncpu} cores"
    if tuple(int(part) for part in info.version.split(".")[:2] if part.isdigit()) < _OLDEST_ENGINE:
        return [warning("engine", f"{text}: older than 20.10", "upgrade the Docker Engine")]
    if info.storage_driver in _SLOW_DRIVERS:
        return [warning("engine", f"{text}: {info.storage_driver} is slow and takes much room", "set storage-driver to overlay2")]
    return [ok("engine", text)]


async def disk(patient: Patient) -> list[Finding]:
    root = disks.engine_root(patient.settings.docker_host, patient.engine.root) if patient.engine else ""
    return [_disk(patient, each) for each in disks.measure_all(str(existing(patient.home.root)), root)]


def _disk(patient: Patient, found: Disk) -> Finding:
    names = {disks.STATE: "state folder", disks.ENGINE: "Docker Engine"}
    places = " and ".join(names[place] for place in found.places)
    text = f"{places}: {found.used_percent:g} % used, {found.free_bytes / _GIGABYTE:.1f} GB free ({found.path})"
    seen = os.statvfs(found.path)
    inodes = 100 * (1 - seen.f_favail / seen.f_files) if seen.f_files else 0.0
    how = "see what takes it: docker system df; du -xh --max-depth=2 / | sort -h | tail; then delete apps, images or files"
    if found.used_percent >= patient.settings.disk_full_percent:
        return problem("disk", f"{text}: new work is refused from {patient.settings.disk_full_percent:g} % on", how)
    if inodes >= _MOST_INODES:
        return problem("disk", f"{places}: {inodes:.0f} % of the inodes are used, whatever room is left ({found.path})", how)
    if found.used_percent >= patient.settings.disk_high_percent:
        return warning("disk", f"{text}: at {patient.settings.disk_full_percent:g} % new work is refused", how)
    return ok("disk", text)


async def clock(patient: Patient) -> list[Finding]:
    ahead = {"the Docker Engine's": patient.engine_ahead if patient.engine else 0.0}
    if patient.records and patient.records.time is not None:
        ahead["the database's"] = patient.records.time - time.time()
    found = [
        problem(
            "clock", f"{whose} clock is {abs(by):.0f} s {'ahead of' if by > 0 else 'behind'} this machine's", "let NTP keep both clocks"
        )
        for whose, by in ahead.items()
        if abs(by) > _MOST_SECONDS
    ]
    kept = is_kept()
    if kept is False:
        how = "apt-get install -y systemd-timesyncd (or chrony): certificates and tokens go by the clock"
        found.append(warning("clock", "nothing keeps this machine's clock (NTP)", how))
    return found or [ok("clock", "kept by NTP, and the same everywhere" if kept else "the same everywhere")]


def is_kept() -> bool | None:
    """Whether the kernel says that NTP keeps the clock; None where it does not say."""
    buffer = ctypes.create_string_buffer(256)
    if ctypes.CDLL(None).adjtimex(buffer) < 0:
        return None
    status = int.from_bytes(buffer.raw[_STATUS_OFFSET : _STATUS_OFFSET + 4], "little")
    return not status & _UNSYNCHRONISED


async def dns(patient: Patient) -> list[Finding]:
    domain = patient.settings.base_domain
    if domain == "localhost" or domain.endswith(".localhost"):
        return [ok("dns", f"{domain}: browsers and curl find *.{domain} on this machine by themselves; other programs need /etc/hosts")]
    host = f"doctor-{secrets.token_hex(4)}-app.{domain}"
    base, app = await asyncio.gather(_addresses(domain), _addresses(host))
    if not base:
        return [problem("dns", f"{domain} has no address here", f"make an A record for {domain} and one for *.{domain}, to this machine")]
    if not app:
        return [problem("dns", f"{domain} is {_list(base)}, and its apps (*.{domain}) have no address", f"make an A record for *.{domain}")]
    if base != app:
        how = f"let *.{domain} lead where {domain} does, unless that is meant so"
        return [warning("dns", f"{domain} is {_list(base)}, its apps are {_list(app)}", how)]
    return [ok("dns", f"{domain} and its apps are {_list(base)}")]


async def _addresses(host: str) -> set[str]:
    look_up = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    try:
        return {str(found[4][0]) for found in await asyncio.wait_for(look_up, _LOOK_UP_SECONDS)}
    except (OSError, TimeoutError):
        return set()


def _list(addresses: set[str]) -> str:
    return ", ".join(sorted(addresses))


async def listening(patient: Patient) -> list[Finding]:
    """Ours listen, and nobody shares them."""
    if patient.state is None or patient.state.ports is None:
        return [skipped("ports", "none are chosen yet")]
    chosen = patient.state.ports
    named = {"http": chosen.http, "https": chosen.https, "api": chosen.api}
    if not patient.settings.nats_url:
        named["nats"] = chosen.nats
    is_ours = ours(patient.home)
    found = [trouble for name, port in named.items() if (trouble := _port(patient, name, port, is_ours))]
    return found or [ok("ports", ", ".join(f"{name} {port}" for name, port in named.items()) + ("" if patient.up else ": free or ours"))]


def _port(patient: Patient, name: str, port: int, is_ours: ports.Ours) -> Finding | None:
    held = ports.holders(port)
    others = ", ".join(f"{ports.name_of(pid)} (pid {pid})" for pid in held if not is_ours(pid))
    if others:
        how = "end it, or set the port's DOCKUP_…_PORT to another one"
        return problem("ports", f"{name}: {port} is taken by {others}", how)
    if patient.up and not ports.is_heard(port):
        return problem("ports", f"{name}: nothing listens on {port}", f"see: dockup logs {'router' if name.startswith('http') else name}")
    return None
