"""What the metrics service says: one batch every sync."""

import msgspec

from libs.common.states import ReplicaState


class ReplicaSample(msgspec.Struct, frozen=True, kw_only=True):
    """One container at one moment. `cpu_usage` in percent of one core since the last sample, None at the first; `memory_usage` in MB."""

    app_id: str
    release: int
    replica: str
    container_id: str
    state: ReplicaState
    cpu_usage: float | None
    memory_usage: float | None
    restarts: int = 0


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Core subject `dockup.obs.metrics`: all containers of one engine. `engine_ok` false: the engine did not answer, `samples` is empty."""

    at: str
    engine_id: str
    engine_ok: bool
    interval_seconds: float
    samples: tuple[ReplicaSample, ...]
    v: int = 1
