"""One replica as the runtime sees it: a container, what it was made from, and how it is."""

from enum import StrEnum

import msgspec

from libs.common.messages.api import WEB, Limits
from libs.common.states import ReplicaState

KEPT = "unless-stopped"
"""The restart policy of what has been healthy: the engine starts it again by itself."""


class Generation(msgspec.Struct, frozen=True, order=True):
    """Replicas of one release that were made under one count of restarts. They come and go together."""

    release: int
    restart: int


class Key(msgspec.Struct, frozen=True, order=True):
    """The place of a replica: at most one container has it, for its name is made from it."""

    release: int
    restart: int
    slot: int
    process: str = WEB

    @property
    def generation(self) -> Generation:
        return Generation(self.release, self.restart)

    @property
    def is_web(self) -> bool:
        """It takes requests: it is probed, has a place in the route, and sleeps when nobody asks."""
        return self.process == WEB

    @property
    def place(self) -> str:
        """Its place among those of its process."""
        return f"r{self.release}.{self.restart}-{self.slot}"

    def __str__(self) -> str:
        return self.place if self.is_web else f"{self.process}-{self.place}"


class Health(StrEnum):
    """`unseen`: running when this process first saw it, so what its route says is trusted; `starting`: not healthy yet."""

    UNSEEN = "unseen"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one container.

    `rank` is `(epoch, revision)` of the wish that it was made under; `(0, 0)` for one that does not say.

    `policy` and `limits` are None while unknown. `up_since` is by the engine's clock (see `clock.py`) in seconds; `starts` counts the
    starts by this process; `flips` the changes of health since the start. `leaving`: it got TERM from us, or will at once.
    `resting`: it was put to sleep, or is being so: its end is no death; `woken_by`: who had it started again.
    `copies` are the volumes in it, as id and copy; those in `writes` no other container may have at the same time.
    `thawed` is when we had it go on, RFC 3339.
    """

    id: str
    name: str
    key: Key
    deployment_id: str
    project_id: str
    port: int
    drain_seconds: float
    address: str
    state: ReplicaState
    rank: tuple[int, int] = (0, 0)
    copies: dict[str, int] = {}
    writes: frozenset[str] = frozenset()
    policy: str | None = None
    limits: Limits | None = None
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int = 0
    oom: bool = False
    health: Health = Health.STARTING
    healthy_at: str | None = None
    flips: int = 0
    probe_error: str = ""
    start_error: str = ""
    up_since: float | None = None
    starts: int = 0
    excused: bool = False
    leaving: bool = False
    resting: bool = False
    woken_by: str | None = None
    thawed: str | None = None

    @property
    def upstream(self) -> str:
        """Its name in routes: one container, one name, even where another takes its place."""
        return f"{self.key}.{self.id[:12]}"

    @property
    def serves(self) -> bool:
        """It runs and is to go on."""
        return self.running and not self.leaving and not self.resting

    @property
    def running(self) -> bool:
        return self.state == ReplicaState.RUNNING

    @property
    def paused(self) -> bool:
        return self.state == ReplicaState.PAUSED

    @property
    def stopped(self) -> bool:
        return self.state in {ReplicaState.EXITED, ReplicaState.DEAD}
