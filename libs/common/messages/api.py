"""What the API writes: the `desired` bucket and the events of what people did."""

import msgspec

from libs.common.states import Intent


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How a replica is probed from outside its container. `type` is `http`, `tcp` or `none`; times are in seconds."""

    type: str = "tcp"
    path: str = "/"
    interval_seconds: float = 1
    timeout_seconds: float = 5
    start_period_seconds: float = 60


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Live limits: `cpu` in cores, `memory` in MB; None leaves it to the engine."""

    cpu: float | None = None
    memory: int | None = None


WEB = "web"
"""The process that takes requests; every app has it."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How many containers a process beside `web` has, 0 for none, and their live limits."""

    replicas: int = 1
    limits: Limits = Limits()


class Autoscale(msgspec.Struct, frozen=True, kw_only=True):
    """The app's number of replicas follows its load, between `min_replicas` and `max_replicas`; 0: it may sleep.

    `target_cpu_percent` is of the app's CPU limit, or of one core where there is none; `target_memory_percent` of its memory limit;
    `target_requests_per_second` is a replica's share. None: not looked at. `held_until` (RFC 3339): somebody scaled by hand, and until
    then their number stands. `since` (RFC 3339): it was switched on then, or scaled by hand; decisions that are not later are void.
    `awake_since` (RFC 3339): somebody started, restarted or deployed it then; a decision to sleep that is not later is void.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    target_cpu_percent: float | None = None
    target_memory_percent: float | None = None
    target_requests_per_second: float | None = None
    scale_up_cooldown_seconds: int = 30
    scale_down_cooldown_seconds: int = 300
    idle_timeout_seconds: int | None = None
    held_until: str | None = None
    since: str | None = None
    awake_since: str | None = None


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A volume in the file system of every replica. `volume` is its id, `name` its owner's word for it, `path` where it stands.

    Unless it is `shared` it has one writer: no two replicas with it exist at one time.
    """

    volume: str
    name: str
    path: str
    shared: bool = False


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    """Requests for `host` are sent on to the host `to` with this status, path and query kept."""

    host: str
    to: str
    status: int = 308


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """Who may pass, by HTTP's basic authentication: SHA-256 of `salt:` and what a client sends (base64 of `name:password`), by name."""

    salt: str
    users: dict[str, str] = {}


class Front(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the proxy does in front of an app. `maintenance`: seconds for `Retry-After` while every request is refused.

    `basic_auth` is a token of `libs.common.secrets` around a `Guard`, empty where everybody may pass.
    """

    redirects: tuple[Redirect, ...] = ()
    https_redirect: bool = True
    maintenance: int | None = None
    basic_auth: str = ""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What containers are made from. Never changes once it is written.

    `image_id` is the engine's id of the image (`sha256:…`); `env` is a token of `libs.common.secrets` around a JSON object;
    `env_secret` are names in it whose values are never shown, whatever they are called. `release_command` runs in a container of its
    own and must succeed before the first replica is made. `shared` is a token around the project's shared variables that `env` refers
    to, empty without any, and `shared_versions` says which ones they are. `processes` are the commands of those beside `web`, by name;
    `procfile` is what the source's own said, `web` and `release` too, some of which may stand in the other fields. `image_port` is the
    `port` of a release of this image for which nobody set one; 0 in those of a Dockup that did not say.
    """

    number: int
    deployment_id: str
    image: str
    image_id: str
    port: int
    env: str
    command: tuple[str, ...] | None = None
    health_check: HealthCheck = HealthCheck()
    drain_seconds: float = 30
    env_secret: tuple[str, ...] = ()
    volumes: tuple[Mount, ...] = ()
    release_command: tuple[str, ...] | None = None
    shared: str = ""
    shared_versions: dict[str, int] = {}
    processes: dict[str, tuple[str, ...]] = {}
    procfile: dict[str, tuple[str, ...]] = {}
    image_port: int = 0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A one-off command that has not ended as far as the API knows. `started`: its container is known to have run; never make another."""

    id: str
    command: tuple[str, ...]
    timeout_seconds: float
    started: bool = False
    cancelled: bool = False


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of KV `desired`, key = `app_id`: all that the runtime needs to know of an app.

    `(epoch, revision)` never falls. `current` is the release that serves and goes on serving; `candidate` is the one that is to
    take over. When the candidate is live the API makes it current; when it failed the API takes it away. `restart` counts the
    restarts that were asked for: replicas made under a lower count are replaced. `dropped` is the newest release whose image nobody
    waits for any more. `autoscale` is None while it is off: `replicas`, the user's own number, stands then.
    `copies`: which copy of a volume is its data, 1 where nothing is said; each restore makes the next. `purge` are ids of volumes whose
    data, in whatever copy, is to be destroyed.
    `thaw`: what is paused, by whomever, is to go on; without it a container that somebody paused is left so. `runs` are the open ones:
    a container of one that is not among them has had its use. `processes` are the sizes of those beside `web`, by name: `replicas` and
    `limits` are `web`'s.
    """

    app_id: str
    project_id: str
    slug: str
    hosts: tuple[str, ...]
    epoch: int
    revision: int
    intent: Intent
    replicas: int = 1
    restart: int = 0
    limits: Limits = Limits()
    processes: dict[str, Size] = {}
    autoscale: Autoscale | None = None
    dropped: int = 0
    thaw: bool = False
    copies: dict[str, int] = {}
    purge: tuple[str, ...] = ()
    current: Release | None = None
    candidate: Release | None = None
    runs: tuple[Run, ...] = ()
    front: Front | None = None
    actor: str = ""
    request_id: str = ""
    v: int = 1

    def size_of(self, process: str) -> Size:
        """How many containers a process has, and their limits, as this wish says."""
        return Size(replicas=self.replicas, limits=self.limits) if process == WEB else self.processes.get(process, Size())


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """The entry `_complete` of KV `desired`: the bucket holds every app of this epoch, so what it lacks may be judged.

    `bucket` is the identity of the bucket that was filled: said of one, it says nothing of another that took its place meanwhile.
    """

    epoch: int
    bucket: str = ""
    v: int = 1


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the feed that the API itself is the source of; its way to the feed is through the stream, like all others."""

    event_id: str
    type: str
    at: str
    app_id: str | None
    project_id: str | None
    deployment_id: str | None = None
    level: str = "info"
    message: str
    data: dict[str, object] = {}
    v: int = 1
