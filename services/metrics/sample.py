"""From a listed container and what it used to one sample. Pure, but for the memory of the last reading."""

import msgspec

from libs.common.engine.containers import ContainerListed
from libs.common.messages.metrics import ReplicaSample
from libs.common.states import ReplicaState
from services.metrics.cgroups import Usage

MEGABYTE = 1024 * 1024
SHORTEST = 1.0
"""Seconds between two readings that make a rate. A look that comes sooner repeats the last figure."""

USES_NOTHING = frozenset({ReplicaState.CREATED, ReplicaState.EXITED, ReplicaState.DEAD, ReplicaState.RESTARTING})


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`at` by the monotonic clock; `rate` is the CPU use in percent of one core up to then, None at the first."""

    at: float
    cpu_seconds: float
    rate: float | None


def read(last: Reading | None, usage: Usage, now: float) -> Reading:
    """The reading that follows `last`. A counter that fell belongs to a container that was started again: it counts from nothing."""
    if last is None or usage.cpu_seconds < last.cpu_seconds:
        return Reading(at=now, cpu_seconds=usage.cpu_seconds, rate=None)
    if now - last.at < SHORTEST:
        return last
    rate = 100 * (usage.cpu_seconds - last.cpu_seconds) / (now - last.at)
    return Reading(at=now, cpu_seconds=usage.cpu_seconds, rate=rate)


class Sampler:
    """Makes the samples; keeps the last reading of each container that is still there."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}

    def take(self, listed: list[ContainerListed], usages: dict[str, Usage], now: float) -> tuple[ReplicaSample, ...]:
        """One sample for each container that says whose it is."""
        self._readings = {seen.id: read(self._readings.get(seen.id), usages[seen.id], now) for seen in listed if seen.id in usages}
        return tuple(self._sample(seen, usages.get(seen.id)) for seen in listed if is_replica(seen))

    def _sample(self, seen: ContainerListed, usage: Usage | None) -> ReplicaSample:
        reading = self._readings.get(seen.id)
        rate = reading.rate if reading else None
        return ReplicaSample(
            app_id=seen.labels["dockup.app"],
            release=int(seen.labels["dockup.release"]),
            replica=seen.name,
            container_id=seen.id,
            state=seen.state,
            cpu_usage=None if rate is None else round(rate, 2),
            memory_usage=None if usage is None else round(usage.memory_bytes / MEGABYTE, 2),
        )


def is_replica(seen: ContainerListed) -> bool:
    return "dockup.app" in seen.labels and seen.labels.get("dockup.release", "").isdigit()
