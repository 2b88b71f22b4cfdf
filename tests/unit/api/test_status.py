"""`derive_status` as a table: what is wanted, what happened, what was seen, what people read."""

from typing import Any

import pytest

from libs.common.states import AppStatus, DeploymentStatus, Intent
from services.api.apps.status import Facts, Replica, Seen, derive_status

EARLY, LATER, LATEST = (f"2026-01-01T00:00:0{second}.000Z" for second in (1, 2, 3))


def one(state: str, *, at: str = LATER, release: int = 1, name: str = "a", message: str = "") -> Replica:
    return Replica(name=name, release=release, state=state, at=at, message=message)


def seen(at: str = LATEST, *, engine_ok: bool = True, **states: str) -> Seen:
    return Seen(at=at, engine_ok=engine_ok, states=states)


RUNNING, STOPPED, STARTING, RESTARTING = AppStatus.RUNNING, AppStatus.STOPPED, AppStatus.STARTING, AppStatus.RESTARTING
NEW: dict[str, Any] = {"current_release": None}
CASES: list[tuple[str, dict[str, Any], AppStatus, str | None, int]] = [
    ("nothing was deployed", NEW, STOPPED, "never_deployed", 0),
    ("the first waits", {**NEW, "newest_deployment": DeploymentStatus.QUEUED}, STARTING, None, 0),
    ("the first is built", {**NEW, "newest_deployment": DeploymentStatus.BUILDING}, STARTING, None, 0),
    ("the first starts", {**NEW, "newest_deployment": DeploymentStatus.DEPLOYING, "deploying": True}, STARTING, None, 0),
    ("the first failed", {**NEW, "newest_deployment": DeploymentStatus.FAILED}, STOPPED, "deploy_failed", 0),
    (
        "the second failed while the first starts",
        {**NEW, "newest_deployment": DeploymentStatus.FAILED, "deploying": True},
        STARTING,
        None,
        0,
    ),
    ("the first was cancelled", {**NEW, "newest_deployment": DeploymentStatus.CANCELLED}, STOPPED, "never_deployed", 0),
    ("it serves", {"replicas": (one("healthy"),)}, RUNNING, None, 1),
    ("a later deploy failed", {"replicas": (one("healthy"),), "newest_deployment": DeploymentStatus.FAILED}, RUNNING, None, 1),
    ("it is live, no replica was seen yet", {}, STARTING, None, 0),
    ("replicas start", {"replicas": (one("started"),)}, STARTING, None, 1),
    ("one of two died", {"replicas": (one("healthy"), one("died", name="b"))}, RUNNING, None, 1),
    ("all died", {"replicas": (one("died"),)}, RESTARTING, None, 0),
    ("killed for its memory", {"replicas": (one("oom_killed"),)}, RESTARTING, None, 0),
    ("dies again and again", {"replicas": (one("crash_looping"),)}, RESTARTING, "crash_loop", 0),
    ("one loops, one serves", {"replicas": (one("healthy"), one("crash_looping", name="b"))}, RUNNING, "crash_loop", 1),
    ("fails its health check", {"replicas": (one("unhealthy"),)}, RUNNING, "unhealthy", 1),
    ("the candidate starts beside it", {"replicas": (one("healthy"), one("started", name="b", release=2))}, RUNNING, None, 2),
    ("the candidate loops beside it", {"replicas": (one("healthy"), one("crash_looping", name="b", release=2))}, RUNNING, None, 1),
    ("restart", {"op": "restart", "replicas": (one("healthy"),)}, RESTARTING, None, 1),
    ("being stopped", {"intent": Intent.STOPPED, "op": "stop", "replicas": (one("healthy"),)}, RUNNING, None, 1),
    ("stopped", {"intent": Intent.STOPPED}, STOPPED, "stopped_by_user", 0),
    ("stopped before the first release", {"intent": Intent.STOPPED, **NEW}, STOPPED, "never_deployed", 0),
    ("asleep", {"replicas": (one("slept"),)}, STOPPED, "sleeping", 0),
    ("asleep, and the sync agrees", {"replicas": (one("slept"),), "seen": seen(a="exited")}, STOPPED, "sleeping", 0),
    ("asleep, made but never started", {"replicas": (one("slept"),), "seen": seen(a="created")}, STOPPED, "sleeping", 0),
    ("asleep, and somebody started its container", {"replicas": (one("slept"),), "seen": seen(a="running")}, STARTING, None, 1),
    ("asleep, and somebody removed its container", {"replicas": (one("slept"),), "seen": seen()}, STARTING, None, 0),
    ("asleep, being started", {"op": "start", "replicas": (one("slept"),)}, STARTING, None, 0),
    ("asleep, being restarted", {"op": "restart", "replicas": (one("slept"),)}, RESTARTING, None, 0),
    ("asleep, a candidate starts", {"replicas": (one("slept"), one("started", name="b", release=2))}, STOPPED, "sleeping", 1),
    ("awake beside one that lies", {"replicas": (one("slept"), one("healthy", name="b"))}, RUNNING, None, 1),
    ("asleep, then stopped", {"intent": Intent.STOPPED, "replicas": (one("slept"),)}, STOPPED, "stopped_by_user", 0),
    ("being deleted", {"intent": Intent.DELETED, "replicas": (one("healthy"),)}, RUNNING, "deleting", 1),
    ("nearly gone", {"intent": Intent.DELETED}, STOPPED, "deleting", 0),
    ("the sync agrees", {"replicas": (one("healthy"),), "seen": seen(a="running")}, RUNNING, None, 1),
    ("the sync saw it dead", {"replicas": (one("healthy"),), "seen": seen(a="exited")}, RESTARTING, None, 0),
    ("the sync did not see it", {"replicas": (one("healthy"),), "seen": seen()}, STARTING, None, 0),
    ("the sync saw it back", {"replicas": (one("died"),), "seen": seen(a="running")}, STARTING, None, 1),
    ("the sync saw it paused", {"replicas": (one("healthy"),), "seen": seen(a="paused")}, AppStatus.PAUSED, None, 0),
    ("the sync saw it between two starts", {"replicas": (one("healthy"),), "seen": seen(a="restarting")}, RESTARTING, None, 0),
    (
        "one of two is paused",
        {"replicas": (one("healthy"), one("healthy", name="b")), "seen": seen(a="running", b="paused")},
        RUNNING,
        None,
        1,
    ),
    (
        "one died after the sync, the other before",
        {"replicas": (one("died", at=LATEST), one("healthy", at=EARLY, name="b")), "seen": seen(LATER, a="running", b="exited")},
        RESTARTING,
        None,
        0,
    ),
    ("it came after the sync", {"replicas": (one("started", at=LATEST),), "seen": seen(LATER)}, STARTING, None, 1),
    ("an event is newer than the sync", {"replicas": (one("healthy"),), "seen": seen(EARLY, a="exited")}, RUNNING, None, 1),
    ("the engine is away", {"replicas": (one("healthy"),), "seen": seen(engine_ok=False)}, RUNNING, "engine_unreachable", 1),
    ("the engine is away, nothing ran", {"seen": seen(engine_ok=False)}, STARTING, "engine_unreachable", 0),
    ("the engine was away", {"replicas": (one("healthy"),), "seen": seen(EARLY, engine_ok=False)}, RUNNING, None, 1),
]


@pytest.mark.parametrize(("facts", "status", "reason", "running"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_status(facts: dict[str, Any], status: AppStatus, reason: str | None, running: int) -> None:
    base: dict[str, Any] = {
        "intent": Intent.RUNNING,
        "current_release": 1,
        "newest_deployment": DeploymentStatus.LIVE,
        "deploying": False,
        "wanted": 1,
    }
    found = derive_status(Facts(**{**base, **facts}))
    assert (found.status, found.reason, found.running) == (status, reason, running)
