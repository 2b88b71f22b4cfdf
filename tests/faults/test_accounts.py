"""The oracle itself: it finds what was lost and doubled, and is content with what was overtaken."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults.accounts import Verdict, account_feed, account_requests
from tests.faults.ledger import ACCEPTED, Asked, Ledger
from tests.faults.story import stories

APP, DEPLOYMENT = "app_1", "dep_1"


def event(seq: int, kind: str, at: float, **data: Any) -> dict[str, Any]:
    deployment = DEPLOYMENT if kind.startswith("deployment.") else None
    stamp = datetime.fromtimestamp(at, UTC).isoformat()
    return {"seq": seq, "type": kind, "at": stamp, "app_id": APP, "deployment_id": deployment, "data": data}


TOLD = [
    event(1, "app.created", 10),
    event(2, "deployment.queued", 11),
    event(3, "deployment.live", 12),
    event(4, "app.stop", 20),
    event(5, "app.start", 30),
    event(6, "app.scaled", 40, **{"from": 1, "to": 3}),
    event(7, "replica.died", 50, container_id="c1"),
]


def asked(verb: str, sent: float, answered: float, **more: Any) -> Asked:
    return Asked(id=verb, verb=verb, slug="a", app_id=APP, sent=sent, answered=answered, outcome=ACCEPTED, **more)


def judge(told: list[dict[str, Any]], *requests: Asked, audit: tuple[tuple[str, str], ...] = ()) -> Verdict:
    ledger, verdict, known = Ledger(), Verdict(), stories(told)
    ledger.asked += [asked("deploy", 10.5, 11.5, deployment_id=DEPLOYMENT), *requests]
    acts = [("deploy", "deployment.queued"), *audit]
    account_requests(verdict, ledger, known, [{"request_id": each, "action": action, "target": APP} for each, action in acts])
    account_feed(verdict, ledger, told, known)
    return verdict


@pytest.mark.parametrize(
    "one",
    [
        asked("stop", 19, 21),
        asked("stop", 25, 26),
        asked("start", 29, 35),
        asked("start", 15, 16),
        asked("scale", 39, 41, value=3),
        asked("scale", 15, 16, value=1),
    ],
)
def test_what_was_so_for_a_moment_took_effect(one: Asked) -> None:
    assert judge(TOLD, one).is_clean


@pytest.mark.parametrize(
    "one",
    [
        asked("stop", 35, 36),
        asked("start", 22, 23),
        asked("pause", 35, 36),
        asked("scale", 35, 36, value=2),
        asked("delete", 60, 61),
        asked("restart", 35, 36),
        asked("cancel", 11, 12, deployment_id=DEPLOYMENT),
        asked("rollback", 50, 51, deployment_id="dep_2"),
    ],
)
def test_what_never_was_so_is_lost(one: Asked) -> None:
    assert judge(TOLD, one).lost


def test_a_deployment_without_an_end_is_lost() -> None:
    assert judge([event for event in TOLD if event["type"] != "deployment.live"]).lost


@pytest.mark.parametrize(
    "more",
    [
        event(8, "deployment.failed", 60),
        event(8, "deployment.queued", 60),
        event(7, "app.stop", 60),
        event(8, "replica.died", 50, container_id="c1"),
        {**event(8, "deployment.live", 60), "deployment_id": "dep_nobody"},
    ],
)
def test_what_is_there_twice_is_doubled(more: dict[str, Any]) -> None:
    assert judge([*TOLD, more]).doubled


def test_a_request_that_was_done_twice_is_doubled() -> None:
    assert judge(TOLD, asked("stop", 19, 21), audit=(("stop", "app.stop"), ("stop", "app.stop"))).doubled
