"""The runtime's memory of one app. Filled from the engine and the buckets, lost with the process, and made again from them."""

import msgspec

from libs.common.engine.containers import ContainerSeen
from libs.common.messages.failure import Failure
from libs.common.messages.runtime import Route
from libs.common.states import ReplicaState
from services.runtime.clock import Now
from services.runtime.deaths import Deaths
from services.runtime.replica import Health, Key, Replica
from services.runtime.seen import Trouble


class View:
    """`route` is the last one that was written. `candidate` is a deployment, as are the keys of `failed`.

    What is kept by release number is about the candidate alone; `marks` are its phases.
    """

    def __init__(self) -> None:
        self.replicas: dict[str, Replica] = {}
        self.deaths: dict[Key, Deaths] = {}
        self.route: Route | None = None
        self.candidate: str | None = None
        self.proxy_error = ""
        self.failed: dict[str, Failure] = {}
        self.proved: set[int] = set()
        self.said_live: set[int] = set()
        self.marks: dict[str, float] = {}
        self.routed_since: float | None = None
        self.trouble: Trouble | None = None
        self.said_settled: tuple[int, int] | None = None
        self.said_removed = False
        self.said_ahead: tuple[int, int] | None = None
        self.purged: set[str] = set()
        self.swept: set[tuple[str, int]] = set()

    def change(self, container_id: str, **fields: object) -> Replica | None:
        """Note something new about a replica; None when it is not known any more."""
        old = self.replicas.get(container_id)
        if old is None:
            return None
        new = msgspec.structs.replace(old, **fields)
        self.replicas[container_id] = new
        return new

    def new_candidate(self, deployment_id: str | None, now: float) -> None:
        """Another release is the candidate, or none is: what is known of the last one has had its use."""
        self.candidate = deployment_id
        self.failed = {}
        self.proved = set()
        self.said_live = set()
        self.marks = {"begun": now}
        self.routed_since = None
        self.trouble = None
        self.proxy_error = ""


def merged(old: Replica, seen: ContainerSeen, now: Now) -> Replica:
    """Bring what `inspect` says into what is known. A start that was not ours makes it `starting` again."""
    restarted = old.started_at is not None and seen.started_at != old.started_at
    died = seen.finished_at is not None and seen.finished_at != old.finished_at
    new = msgspec.structs.replace(
        old,
        state=seen.state,
        policy=seen.restart_policy,
        address=old.address or seen.address or "",
        started_at=seen.started_at,
        finished_at=seen.finished_at,
        exit_code=seen.exit_code if seen.state != ReplicaState.RUNNING or died else old.exit_code,
        oom=seen.oom_killed or old.oom,
    )
    if restarted:
        begun = {"health": Health.STARTING, "healthy_at": None, "flips": 0, "woken_by": None}
        return msgspec.structs.replace(new, **begun, up_since=now.engine, starts=new.starts + 1)
    if new.up_since is None and seen.started_at is not None:
        # One that ran before this process did gets its whole start period again: nobody probed it in between.
        return msgspec.structs.replace(new, up_since=now.engine)
    return new
