"""Every subject, stream and bucket of the bus, in one place.

Subjects are made from ids alone, never from a name that a person chose.
"""

from typing import NamedTuple

import msgspec

COMMANDS = "COMMANDS"
EVENTS = "EVENTS"
LOGS = "LOGS"
DEADLETTER = "DEADLETTER"

DESIRED = "desired"
ROUTES = "routes"
APPLIED = "applied"
SCALE = "scale"
LEASES = "leases"
WAITS = "waits"
CERTIFICATES = "certificates"

COMPLETE_KEY = "_complete"
OBSERVATION = "dockup.obs.metrics"
TRAFFIC = "dockup.obs.router"

EVERY_EVENT = "dockup.evt.>"
NO_APP = "_"
_PARTS = 5


class Subject(NamedTuple):
    """`dockup.{kind}.{service}.{name}.{app_id}`; `kind` is `cmd` or `evt`."""

    kind: str
    service: str
    name: str
    app_id: str


def build(kind: str, service: str, name: str, app_id: str | None) -> str:
    return f"dockup.{kind}.{service}.{name}.{app_id or NO_APP}"


def parse(subject: str) -> Subject:
    """Take a subject apart; `ValueError` when it is none of ours."""
    parts = subject.split(".")
    if len(parts) != _PARTS or parts[0] != "dockup" or parts[1] not in {"cmd", "evt"}:
        raise ValueError(f"not a subject of ours: {subject!r}")
    return Subject(*parts[1:])


def command(service: str, message: msgspec.Struct, app_id: str) -> str:
    return build("cmd", service, type(message).__name__, app_id)


def event(service: str, message: msgspec.Struct, app_id: str | None) -> str:
    return build("evt", service, type(message).__name__, app_id)


def commands_of(service: str) -> str:
    """What the durable consumer of `service` on COMMANDS filters by."""
    return f"dockup.cmd.{service}.>"


def query(service: str, call: str) -> str:
    return f"dockup.rpc.{service}.{call}"


def log(deployment_id: str, part: str) -> str:
    """LOGS subject of a deployment's build (`build`, `release`) or of one replica (its name). A run has its own id, and the part `run`."""
    return f"dockup.log.{deployment_id}.{part}"


def is_replica_log(subject: str) -> bool:
    """Whether a subject of LOGS holds what a replica wrote, not what its deployment's build or release command did."""
    return subject.rsplit(".", 1)[-1] not in {"build", "release"}


def live(session: str, way: str) -> str:
    """Bytes of a live session: `in` is to the runtime, `out` to the API."""
    return f"dockup.live.{session}.{way}"


def dead(service: str, app_id: str) -> str:
    return f"dockup.dead.{service}.{app_id}"
