"""What the public routes about the server itself give."""

from typing import Literal

import msgspec

from services.api.disks.levels import Level
from services.api.http.catalogue import Code
from services.api.http.strict import Page


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """`away`: no answer. `instances` that answered; `latency_ms` of the fastest, None without an answer; `detail` says what is wrong."""

    status: Literal["ok", "degraded", "away"]
    instances: int
    latency_ms: float | None
    detail: str = ""


class Components(msgspec.Struct, frozen=True, kw_only=True):
    api: Component
    bus: Component
    database: Component
    cache: Component
    engine: Component
    builder: Component
    runtime: Component
    metrics: Component
    router: Component


class DiskStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A disk. `places`: what lies on it, `state` (the state folder) or `engine`, or both. `full`: new work answers `507 disk_full`."""

    places: list[str]
    status: Level
    used_percent: float
    free_bytes: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`ok` when every component is and no disk is full; `degraded` otherwise: what was accepted waits, and happens when they are back."""

    name: Literal["dockup"]
    status: Literal["ok", "degraded"]
    version: str
    base_domain: str
    url: str
    time: str
    components: Components
    disks: list[DiskStatus]


class CodePage(Page, frozen=True, kw_only=True):
    items: list[Code]
