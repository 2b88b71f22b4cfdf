"""What the routes of autoscaling take and give."""

from typing import Annotated, Literal

import msgspec

from services.api.apps.grammar import MOST_REPLICAS
from services.api.http.strict import Body

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET

_MONTH = 30 * 86_400
Fewest = Annotated[int, msgspec.Meta(ge=0, le=MOST_REPLICAS)]
Most = Annotated[int, msgspec.Meta(ge=1, le=MOST_REPLICAS)]
CpuPercent = Annotated[float, msgspec.Meta(ge=1, le=100 * 1024)]
MemoryPercent = Annotated[float, msgspec.Meta(ge=1, le=100)]
PerSecond = Annotated[float, msgspec.Meta(ge=0.1, le=1_000_000)]
Cooldown = Annotated[int, msgspec.Meta(ge=0, le=86_400)]
Idle = Annotated[int, msgspec.Meta(ge=1, le=_MONTH)]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The number that load decided on last, and which figure passed which target. `by`: `router` where a request woke the app."""

    replicas: int
    at: str
    by: Literal["metrics", "router"]
    reason: str


class Autoscaling(msgspec.Struct, frozen=True, kw_only=True):
    """The number of replicas follows load between `min_replicas` and `max_replicas`.

    With 0 as the fewest the app sleeps when nobody asked it anything for `idle_timeout_seconds`, and the first request wakes it.
    `target_cpu_percent` is of the app's `cpu_limit`, or of one core where it has none; `target_memory_percent` of its `memory_limit`;
    `target_requests_per_second` is a replica's share. The target that needs the most replicas decides; null is not looked at.
    `replicas` is the user's own number, `current_replicas` what runs. A number set by hand stands until `held_until`.
    """

    enabled: bool
    min_replicas: int
    max_replicas: int
    target_cpu_percent: float | None
    target_memory_percent: float | None
    target_requests_per_second: float | None
    scale_up_cooldown_seconds: int
    scale_down_cooldown_seconds: int
    idle_timeout_seconds: int | None
    replicas: int
    current_replicas: int
    held_until: str | None
    decided: Decided | None


class AutoscaleSettings(Body, frozen=True, kw_only=True):
    """What may be set. What is left out keeps its value; null clears a target or the idle time."""

    enabled: bool | Unset = UNSET
    min_replicas: Fewest | Unset = UNSET
    max_replicas: Most | Unset = UNSET
    target_cpu_percent: CpuPercent | Unset | None = UNSET
    target_memory_percent: MemoryPercent | Unset | None = UNSET
    target_requests_per_second: PerSecond | Unset | None = UNSET
    scale_up_cooldown_seconds: Cooldown | Unset = UNSET
    scale_down_cooldown_seconds: Cooldown | Unset = UNSET
    idle_timeout_seconds: Idle | Unset | None = UNSET


class AutoscaleUpdate(AutoscaleSettings, frozen=True, kw_only=True):
    """The read-only fields may come back as they were read."""

    replicas: int | Unset = UNSET
    current_replicas: int | Unset = UNSET
    held_until: str | Unset | None = UNSET
    decided: Decided | Unset | None = UNSET
