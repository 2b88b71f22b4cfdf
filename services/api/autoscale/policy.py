"""An app's policy as its row keeps it, and what of it the runtime is told."""

from datetime import UTC, datetime, timedelta

import msgspec

from libs.common import clock, scaling
from libs.common.messages.api import Autoscale
from services.api.apps.models import AppRow


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """JSON of the column `autoscale`."""

    enabled: bool = False
    policy: Autoscale = Autoscale()


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What load decided last; `by` is `metrics`, or `router` where a request woke the app."""

    replicas: int
    at: str
    by: str
    reason: str


_kept = msgspec.json.Decoder(Kept)
_decision = msgspec.json.Decoder(Decision)


def of(app: AppRow) -> Kept:
    return _kept.decode(app.autoscale)


def told(app: AppRow) -> Autoscale | None:
    """What stands in `desired`; None while it is off."""
    kept = of(app)
    return kept.policy if kept.enabled else None


def keep(app: AppRow, kept: Kept) -> None:
    app.autoscale = msgspec.json.encode(kept).decode()
    app.most_replicas = kept.policy.max_replicas if kept.enabled else None


def decided(app: AppRow) -> Decision | None:
    """The last decision that counts."""
    return _decision.decode(app.scaled) if app.scaled else None


def note(app: AppRow, decision: Decision) -> None:
    app.scaled = msgspec.json.encode(decision).decode()


def expected(app: AppRow) -> int:
    """How many replicas the next release is likely to begin with: what load decided last, at least one, or the user's own number."""
    kept, last = of(app), decided(app)
    return max(1, last.replicas) if kept.enabled and last is not None else app.replicas


def begun(app: AppRow, policy: Autoscale) -> Autoscale:
    """What load decided before means nothing any more: it was switched on now."""
    last = decided(app)
    app.scaled = None
    return msgspec.structs.replace(policy, since=scaling.later(clock.now(), policy.since, last.at if last else None), held_until=None)


def wake(app: AppRow) -> bool:
    """Somebody wants the app to run: a decision to sleep must be newer than that. False where it never sleeps."""
    kept = of(app)
    if not kept.enabled or kept.policy.min_replicas > 0:
        return False
    last = decided(app)
    now = scaling.later(clock.now(), kept.policy.awake_since, last.at if last else None)
    keep(app, Kept(enabled=True, policy=msgspec.structs.replace(kept.policy, awake_since=now)))
    return True


def hold(app: AppRow) -> None:
    """Somebody set `replicas`: that number stands for a cool-down, and what load decided before is void."""
    kept = of(app)
    if not kept.enabled:
        return
    policy = begun(app, kept.policy)
    until = clock.rfc3339(datetime.now(UTC) + timedelta(seconds=scaling.cooldown(policy)))
    keep(app, Kept(enabled=True, policy=msgspec.structs.replace(policy, held_until=until)))
