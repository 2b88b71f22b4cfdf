"""The steps of a plan: small, frozen, printable. Each says what it works on, so that no two work on one thing at once."""

import msgspec

from libs.common.messages.api import HealthCheck, Limits
from libs.common.messages.runtime import Route
from services.runtime.replica import Key


class Step(msgspec.Struct, frozen=True, tag=True):
    @property
    def job(self) -> str:
        """What it works on; of two steps on one thing the second waits until the first has ended."""
        return type(self).__name__


class OnContainer(Step, frozen=True):
    """A step on one container."""

    container: str

    @property
    def job(self) -> str:
        return f"container {self.container}"


class EnsureNetwork(Step, frozen=True):
    project_id: str


class CreateReplica(Step, frozen=True):
    key: Key

    @property
    def job(self) -> str:
        return f"create {self.key}"


class StartReplica(OnContainer, frozen=True):
    pass


class Probe(OnContainer, frozen=True):
    """Watch its health for as long as the plan says so; never ends by itself. `since` tells one start of it from the next.

    Without a `check` it takes no requests: that it goes on running is its health.
    """

    address: str
    port: int
    check: HealthCheck | None
    since: float

    @property
    def job(self) -> str:
        return f"probe {self.container} {self.since}"


class PublishRoute(Step, frozen=True):
    route: Route


class ProbeProxy(Step, frozen=True):
    """Ask through the proxy of every live router until a replica of the release answers."""

    release: int
    revision: int


class AnnounceLive(Step, frozen=True):
    release: int


class FailCandidate(Step, frozen=True):
    """Gather what shows why, remember the release as failed, and say so. `container` is the replica that showed it, or empty."""

    release: int
    code: str
    message: str
    container: str = ""


class KeepRunning(OnContainer, frozen=True):
    """Have the engine start it again by itself."""


class UpdateLimits(OnContainer, frozen=True):
    limits: Limits


class PauseReplica(OnContainer, frozen=True):
    """Freeze it: no router sends it new requests, and its connections stand still."""


class Unpause(OnContainer, frozen=True):
    """Have it go on."""


class PutToSleep(OnContainer, frozen=True):
    """Have it lie stopped, whatever it does now: a wake starts it again."""


class Retire(OnContainer, frozen=True):
    """Restart policy `no`, TERM, KILL after ten seconds, last words kept, removed."""

    keep_words: bool = True


class RemoveNetwork(Step, frozen=True):
    project_id: str


class PurgeVolume(Step, frozen=True):
    """Destroy the data of a volume that no container has: all of its copies, or those before the copy `below`."""

    volume: str
    below: int | None = None

    @property
    def job(self) -> str:
        return f"volume {self.volume}"


class AnnounceSettled(Step, frozen=True):
    epoch: int
    revision: int
    running: int


class AnnounceRemoved(Step, frozen=True):
    pass


class AnnounceAhead(Step, frozen=True):
    """Say that what runs is newer than what is wanted: the API decides what is to win."""

    epoch: int
    revision: int


class Wait(Step, frozen=True):
    """Nothing to do before `until` (engine's clock, seconds) unless something changes; 0: until something changes."""

    until: float
    why: str
