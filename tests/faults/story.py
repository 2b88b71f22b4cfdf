"""What the feed tells of each app: the order in which everything that was accepted took effect."""

from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

ENDS = ("live", "failed", "cancelled", "superseded")
_INTENTS = {
    "app.start": "running",
    "app.unpause": "running",
    "app.restart": "running",
    "app.stop": "stopped",
    "app.pause": "paused",
    "app.deleting": "deleted",
    "deployment.live": "running",
}
_SLACK = 0.05
"""Seconds: an event bears the moment at which its transaction was written, not that at which it was committed."""


class Story:
    """One app. `intents` and `replicas` are what was wanted, from when on; `current` is the deployment that went live last."""

    def __init__(self, app_id: str, at: float) -> None:
        self.app_id = app_id
        self.intents = [(at, "running")]
        self.replicas: list[tuple[float, int]] = [(at, 1)]
        self.current: str | None = None
        self.first_live: float | None = None
        self.deployments: dict[str, Counter[str]] = {}
        self.restarts = 0
        self.is_gone = False

    @property
    def intent(self) -> str:
        return self.intents[-1][1]

    @property
    def wanted(self) -> int:
        """How many containers there should be in the end."""
        return self.replicas[-1][1] if self.current is not None and self.intent in {"running", "paused"} else 0

    def take(self, event: dict[str, Any]) -> None:
        kind, at = event["type"], _seconds(event["at"])
        if kind.startswith("deployment.") and event["deployment_id"]:
            self.deployments.setdefault(event["deployment_id"], Counter())[kind.removeprefix("deployment.")] += 1
        if kind == "deployment.live":
            self.current, self.first_live = event["deployment_id"], self.first_live or at
        if kind in _INTENTS and self.intent != "deleted":
            self.intents.append((at, _INTENTS[kind]))
        if kind == "app.scaled":
            self.replicas.append((at, event["data"]["to"]))
        self.restarts += kind == "app.restart"
        self.is_gone |= kind == "app.deleted"

    def was(self, intent: str, since: float, until: float) -> bool:
        """Whether it was so at some moment of an interval."""
        return _held(self.intents, intent, since, until)

    def had(self, replicas: int, since: float, until: float) -> bool:
        return _held(self.replicas, replicas, since, until)


def stories(feed: list[dict[str, Any]]) -> dict[str, Story]:
    found: dict[str, Story] = {}
    for event in feed:
        if app_id := event["app_id"]:
            found.setdefault(app_id, Story(app_id, _seconds(event["at"]))).take(event)
    return found


def _held(values: list[tuple[float, Any]], wanted: Any, since: float, until: float) -> bool:
    ends = [max(at, following) for (at, _), (following, _) in pairwise(values)]
    spans = zip(values, [*ends, float("inf")], strict=True)
    return any(value == wanted and begin - _SLACK <= until and end + _SLACK >= since for (begin, value), end in spans)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
