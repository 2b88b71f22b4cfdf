"""What the tables of the plan are made of: an app, its releases, its replicas, a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from libs.common import clock
from libs.common.messages.api import Desired, Limits, Release
from libs.common.messages.runtime import Route, Upstream
from libs.common.states import Intent, ReplicaState
from services.runtime.clock import Now
from services.runtime.plan import plan
from services.runtime.replica import KEPT, Health, Key, Replica
from services.runtime.seen import Router, Seen
from services.runtime.steps import Probe, Step, Wait

WALL = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Now(wall=WALL, engine=1000.0)
APP = "app_1"


def release(number: int, **fields: Any) -> Release:
    return Release(number=number, deployment_id=f"dep_{number}", image="web", image_id=f"sha256:{number}", port=8080, env="", **fields)


def desired(**fields: Any) -> Desired:
    defaults: dict[str, Any] = {"epoch": 1, "revision": 5, "intent": Intent.RUNNING}
    return Desired(app_id=APP, project_id="prj_1", slug="demo", hosts=("demo.localhost",), **{**defaults, **fields})


def replica(number: int, slot: int = 0, restart: int = 0, **fields: Any) -> Replica:
    """A healthy one that serves."""
    key = Key(number, restart, slot)
    defaults: dict[str, Any] = {
        "id": f"{number}{restart}{slot}" * 4,
        "name": str(key),
        "key": key,
        "deployment_id": f"dep_{number}",
        "project_id": "prj_1",
        "port": 8080,
        "drain_seconds": 30.0,
        "address": f"10.213.0.{number * 10 + restart * 5 + slot}",
        "state": ReplicaState.RUNNING,
        "policy": KEPT,
        "limits": Limits(),
        "health": Health.HEALTHY,
        "up_since": NOW.engine - 1,
        "starts": 1,
    }
    return Replica(**{**defaults, **fields})


def fresh(number: int, slot: int = 0, restart: int = 0, **fields: Any) -> Replica:
    """One of a candidate: not kept by the engine yet."""
    return replica(number, slot, restart, **{"policy": "no", **fields})


def upstream(one: Replica, drained_ago: float | None = None) -> Upstream:
    since = None if drained_ago is None else clock.rfc3339(WALL - timedelta(seconds=drained_ago))
    return Upstream(name=one.upstream, address=one.address, port=one.port, draining_since=since)


def route(*upstreams: Upstream, revision: int = 3, hosts: tuple[str, ...] = ("demo.localhost",)) -> Route:
    former = () if hosts else ("demo.localhost",)
    return Route(app_id=APP, slug="demo", revision=revision, hosts=hosts, upstreams=upstreams, former_hosts=former)


def seen(*replicas: Replica, **fields: Any) -> Seen:
    """All that was written is applied by one router, and settled was said of an older revision."""
    last = fields.get("route")
    routers = (Router(id="rtr_1", revision=last.revision if last else 0),)
    return Seen(replicas=replicas, **{"routers": routers, **fields})


def steps(wish: Desired, view: Seen, now: Now = NOW) -> list[Step]:
    return plan(wish, view, now)


def names(wish: Desired, view: Seen, now: Now = NOW) -> list[str]:
    """Return what is due, the watching of health and the waits left out."""
    return [type(step).__name__ for step in plan(wish, view, now) if not isinstance(step, Probe | Wait)]


def waits(wish: Desired, view: Seen, now: Now = NOW) -> list[float]:
    return [step.until for step in plan(wish, view, now) if isinstance(step, Wait)]


def later(seconds: float) -> Now:
    return Now(wall=WALL + timedelta(seconds=seconds), engine=NOW.engine + seconds)


def changed(wish: Desired, **fields: Any) -> Desired:
    return msgspec.structs.replace(wish, **fields)
