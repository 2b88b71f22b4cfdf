"""What the runtime writes (`routes`), says (events) and answers (queries)."""

import msgspec

from libs.common.messages.api import WEB, Desired, Front
from libs.common.messages.failure import Failure
from libs.common.states import RunStatus


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """One replica as the proxy sees it. `name` is unique in the app and always the same container's; `draining_since` is RFC 3339.

    With `draining_since` it takes no new request but keeps the sessions that it has.
    """

    name: str
    address: str
    port: int
    draining_since: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of KV `routes`, key = `app_id`. A greater `revision` replaces a lower one.

    `hosts` without upstreams answer that the app is not running, or, with `paused`, that it is paused; no `hosts` at all: the app is
    gone, forget it, and `former_hosts` are what led to it. `asleep`: new requests are held, and the first one has the app started.
    """

    app_id: str
    slug: str
    revision: int
    hosts: tuple[str, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    paused: bool = False
    front: Front | None = None
    asleep: bool = False
    former_hosts: tuple[str, ...] = ()
    v: int = 1


class ReplicaEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact about one container; its subclasses say which.

    `event_id` is made from the facts (container id, what happened, the engine's time of it), so that saying it again is
    harmless. `at` is the engine's time, RFC 3339. `replica` is the container's name.
    """

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    release: int
    replica: str
    container_id: str
    process: str = WEB
    exit_code: int | None = None
    message: str = ""
    v: int = 1


class ReplicaStarted(ReplicaEvent, frozen=True, kw_only=True):
    pass


class ReplicaHealthy(ReplicaEvent, frozen=True, kw_only=True):
    """A probe from outside the container succeeded, for the first time since it started or after failures."""


class ReplicaUnhealthy(ReplicaEvent, frozen=True, kw_only=True):
    """Three probes in a row failed though it had been healthy."""


class ReplicaDied(ReplicaEvent, frozen=True, kw_only=True):
    pass


class ReplicaOomKilled(ReplicaEvent, frozen=True, kw_only=True):
    pass


class ReplicaCrashLooping(ReplicaEvent, frozen=True, kw_only=True):
    """It died again and again; the next start waits, `message` says how long."""


class ReplicaSlept(ReplicaEvent, frozen=True, kw_only=True):
    """The app sleeps: this container is stopped, or was made without being started, and kept for the wake."""


class ReplicaWoke(ReplicaEvent, frozen=True, kw_only=True):
    """It slept and was started again. `by`: `request`, or who changed something that had it run."""

    by: str = ""


class LimitsRefused(ReplicaEvent, frozen=True, kw_only=True):
    """The engine did not take the limits that are wanted; `message` has its reason. The next container gets them."""


class ReplicaRemoved(ReplicaEvent, frozen=True, kw_only=True):
    pass


class ReleaseLive(msgspec.Struct, frozen=True, kw_only=True):
    """Every live router has the release and a probe through each of them answered. Id: `{deployment_id}.live`.

    `phases`: name and milliseconds of what the runtime did for it, in order.
    """

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    release: int
    phases: tuple[tuple[str, float], ...] = ()
    v: int = 1


class ReleaseFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The release will not be live; what served before still serves. Id: `{deployment_id}.failed`."""

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    release: int
    failure: Failure
    v: int = 1


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The container of a run has started. Id: `{run_id}.started`."""

    event_id: str
    at: str
    app_id: str
    run_id: str
    release: int
    container_id: str
    v: int = 1


class RunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A run came to its end, and its log is kept. Said again until `desired` lacks the run. Id: `{run_id}.ended`."""

    event_id: str
    at: str
    app_id: str
    run_id: str
    status: RunStatus
    exit_code: int | None = None
    failure: Failure | None = None
    v: int = 1


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What runs is what `desired` at this revision asks for (routes applied, old replicas drained and gone).

    Lifecycle calls wait for it. Id: `{app_id}.{epoch}.{revision}.settled`.
    """

    event_id: str
    at: str
    app_id: str
    epoch: int
    revision: int
    running: int
    v: int = 1


class AppRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of the app is left: no container, no route, and no network where it was the project's last. Id: `{app_id}.removed`."""

    event_id: str
    at: str
    app_id: str
    v: int = 1


class VolumePurged(msgspec.Struct, frozen=True, kw_only=True):
    """No copy of the volume is left in the engine. Id: `{volume_id}.purged`."""

    event_id: str
    at: str
    app_id: str
    volume: str
    v: int = 1


class AppAhead(msgspec.Struct, frozen=True, kw_only=True):
    """Containers of the app were made under a wish later than the one in `desired`: the database is older than what runs.

    Nothing is done to the app until somebody decides. `epoch` and `revision` are the containers'. Id: `{app_id}.ahead.{epoch}.{revision}`.
    """

    event_id: str
    at: str
    app_id: str
    epoch: int
    revision: int
    v: int = 1


class StrayFound(msgspec.Struct, frozen=True, kw_only=True):
    """Containers of this installation whose app is in no wish, though `desired` is complete. They are left alone.

    Id: `{container id}.stray`, of the first of them.
    """

    event_id: str
    at: str
    app_id: str
    containers: tuple[str, ...]
    v: int = 1


class InventoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.runtime.inventory`, of the apps whose ids come after `after`: all of them may be more than a message takes."""

    after: str = ""


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, as wishes that would leave it as it is; one for each app that has a container, by id. `more`: others come after these.

    Read from the containers alone. `hosts` are empty and no candidate is told: what comes up beside the newest healthy generation is
    left out, but a wish is never older than a container of the app. An app of whose newest healthy generation no container can be read
    back is not in it.
    """

    apps: tuple[Desired, ...]
    more: bool = False


class LogsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.runtime.logs`: the last `tail` lines of an app's replicas, dead ones included. The request of a session `logs`, too.

    `since` is RFC 3339; `stream` is `stdout` or `stderr`; `replica`, `process` and `deployment_id` narrow it. `deployments` are the app's
    last ones, newest first, at most five: whose dead replicas are looked for where `deployment_id` names none.
    """

    app_id: str
    tail: int = 100
    since: str | None = None
    stream: str | None = None
    replica: str | None = None
    process: str | None = None
    deployment_id: str | None = None
    deployments: tuple[str, ...] = ()


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    stream: str
    replica: str
    message: str


class RunLogsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`dockup.rpc.runtime.run_logs`: the last `tail` lines of a run, answered as `LogsAnswer`."""

    app_id: str
    run_id: str
    tail: int = 100


class LogsMissed(msgspec.Struct, frozen=True, kw_only=True, tag="missed"):
    """Stands in a stream of lines where `lines` of them were left out: the reader was too slow, or they came too fast to be read."""

    lines: int


class LogsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first. `truncated`: older lines were left out because an answer has at most 900 KB.

    `unknown_replica`: one was asked for by a name that no replica has, or had whose words are kept.
    """

    items: tuple[LogLine, ...]
    truncated: bool = False
    unknown_replica: bool = False
