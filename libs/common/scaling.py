"""How many replicas an app is to have now: the user's own number, or the one that load decided on, within the policy's bounds. Pure."""

from datetime import datetime, timedelta

from libs.common.clock import parse, rfc3339
from libs.common.messages.api import Autoscale, Desired
from libs.common.messages.scale import Scale

_SLACK = 1.0
"""Seconds that a hold may seem to begin in the future: clocks of two processes are read one after the other."""


def number(desired: Desired, scale: Scale | None, now: float) -> int:
    """The number that the runtime keeps; `now` is Unix time. 0 only where the policy lets the app sleep and `scale` says so."""
    policy = desired.autoscale
    if policy is None or is_held(policy, now):
        return desired.replicas
    wanted = scale.replicas if scale is not None and counts(policy, scale) else desired.replicas
    return min(max(wanted, policy.min_replicas), policy.max_replicas)


def counts(policy: Autoscale, scale: Scale) -> bool:
    """Whether it was made since the policy was switched on and a number set by hand; a decision to sleep, since the app was started."""
    made = made_at(scale)
    moments = (policy.since, policy.awake_since if scale.replicas == 0 else None)
    return made is not None and all(made > parse(moment) for moment in moments if moment is not None)


def made_at(scale: Scale) -> datetime | None:
    """When it was made; None where nobody can read that: it is somebody else's entry, and counts for nothing."""
    try:
        return parse(scale.at)
    except ValueError:
        return None


def is_held(policy: Autoscale, now: float) -> bool:
    """Somebody scaled by hand, a cool-down ago at most. A hold that ends later than that was written before the clock jumped back."""
    if policy.held_until is None:
        return False
    left = parse(policy.held_until).timestamp() - now
    return 0 < left <= cooldown(policy) + _SLACK


def cooldown(policy: Autoscale) -> int:
    """Seconds that a number set by hand stands."""
    return max(policy.scale_up_cooldown_seconds, policy.scale_down_cooldown_seconds)


def later(now: str, *before: str | None) -> str:
    """The time of a new decision: `now`, but after each of `before`, whatever the clock did meanwhile."""
    moments = [parse(at) + timedelta(milliseconds=1) for at in before if at is not None]
    return rfc3339(max([parse(now), *moments]))
