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


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What containers are made from. Never changes once it is written.

    `image_id` is the engine's id of the image (`sha256:…`); `env` is a token of `libs.common.secrets` around a JSON object;
    `env_secret` are names in it whose values are never shown, whatever they are called.
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


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of KV `desired`, key = `app_id`: all that the runtime needs to know of an app.

    `(epoch, revision)` never falls. `current` is the release that serves and goes on serving; `candidate` is the one that is to
    take over. When the candidate is live the API makes it current; when it failed the API takes it away. `restart` counts the
    restarts that were asked for: replicas made under a lower count are replaced. `dropped` is the newest release whose image nobody
    waits for any more. `thaw`: what is paused, by whomever, is to go on; without it a container that somebody paused is left so.
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
    dropped: int = 0
    thaw: bool = False
    current: Release | None = None
    candidate: Release | None = None
    actor: str = ""
    request_id: str = ""
    v: int = 1


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
