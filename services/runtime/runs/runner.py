"""The container of a run or a release command, as the runtime sees it. Pure."""

import msgspec

from libs.common import clock
from libs.common.engine.containers import ContainerSeen
from libs.common.states import ReplicaState
from services.runtime.clock import Now

_STOPPED = {ReplicaState.EXITED, ReplicaState.DEAD}


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one container that runs a command.

    `copies` are the volumes that it has, and which copy of each; `secret` the names in its env whose values are never shown, whatever they
    are called. `up_since` is by the engine's clock (see `clock.py`) in seconds, as is
    `told_at`, when what it had written was stored. `late`: we stopped it for its time. `kept`: its log is. `leaving`: we remove it.
    """

    id: str
    name: str
    errand: str
    release: int
    address: str
    state: ReplicaState
    rank: tuple[int, int] = (0, 0)
    copies: dict[str, int] = {}
    secret: tuple[str, ...] = ()
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int = 0
    oom: bool = False
    up_since: float | None = None
    told_at: float | None = None
    late: bool = False
    kept: bool = False
    leaving: bool = False

    @property
    def stopped(self) -> bool:
        return self.state in _STOPPED

    @property
    def seconds(self) -> float:
        """How long it ran, by the machine's clock; 0 while it is not known."""
        if self.started_at is None or self.finished_at is None:
            return 0.0
        return (clock.parse(self.finished_at) - clock.parse(self.started_at)).total_seconds()


def merged(old: Runner, seen: ContainerSeen, now: Now) -> Runner:
    """Bring what `inspect` says into what is known. Of one that ran before this process did, the time so far counts."""
    up_since = old.up_since
    if up_since is None and seen.started_at is not None:
        up_since = now.engine - max(0.0, (now.wall - clock.parse(seen.started_at)).total_seconds())
    return msgspec.structs.replace(
        old,
        state=seen.state,
        address=old.address or seen.address or "",
        started_at=seen.started_at,
        finished_at=seen.finished_at,
        exit_code=seen.exit_code,
        oom=seen.oom_killed or old.oom,
        up_since=up_since,
    )
