"""What was asked for, and how each request was answered: the oracle's memory."""

from collections import Counter
from typing import Any

import msgspec

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"


class Asked(msgspec.Struct, kw_only=True):
    """One request of a client, with all its tries. `id` is its X-Request-Id and Idempotency-Key; times are Unix seconds.

    `sent` is the first try, `answered` the answer that ended it. A request that nobody answered in time is `unknown`: it may have
    happened. `value` is the number of replicas of a scale.
    """

    id: str
    verb: str
    slug: str
    sent: float
    answered: float = 0.0
    tries: int = 0
    outcome: str = UNKNOWN
    code: str = ""
    app_id: str | None = None
    deployment_id: str | None = None
    image: str | None = None
    value: int | None = None

    @property
    def is_accepted(self) -> bool:
        return self.outcome == ACCEPTED


class Ledger:
    """Every request of every client, in the order of sending. `broken` are answers that no client should ever see."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.broken: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.there: set[str] = set()
        """Slugs that have an app, as far as the clients know."""

    def accepted(self, *verbs: str) -> list[Asked]:
        return [one for one in self.asked if one.is_accepted and (not verbs or one.verb in verbs)]

    def newest_deployment(self, slug: str) -> str | None:
        return next((one.deployment_id for one in reversed(self.asked) if one.slug == slug and one.deployment_id), None)

    def settle(self, one: Asked, status: int, body: dict[str, Any]) -> None:
        """Note an answer that ends a request; a `wait` that ended badly was accepted all the same."""
        deployment = body.get("deployment") if body.get("code", "").startswith("deployment_") and one.verb != "cancel" else None
        if status < 300 or (deployment and one.verb in {"deploy", "rollback"}):
            one.outcome = ACCEPTED
            _note(one, deployment or body)
        else:
            one.outcome, one.code = REFUSED, str(body.get("code", status))
        if one.verb == "delete" or one.code == "not_found":
            self.there.discard(one.slug)
        elif one.verb == "deploy" and one.is_accepted:
            self.there.add(one.slug)

    def summary(self) -> str:
        verbs = Counter(one.verb for one in self.accepted())
        codes = Counter(one.code for one in self.asked if one.outcome == REFUSED)
        tries = sum(one.tries for one in self.asked)
        unknown = sum(one.outcome == UNKNOWN for one in self.asked)
        return (
            f"{len(self.asked)} requests in {tries} tries: {sum(verbs.values())} accepted {dict(sorted(verbs.items()))}, "
            f"{sum(codes.values())} refused {dict(sorted(codes.items()))}, {unknown} without an answer; "
            f"statuses {dict(sorted(self.statuses.items()))}"
        )


def _note(one: Asked, body: dict[str, Any]) -> None:
    identity = str(body.get("id", ""))
    if identity.startswith("dep_"):
        one.deployment_id, one.app_id, one.image = identity, body["app_id"], body.get("image")
    else:
        one.app_id = identity or None
