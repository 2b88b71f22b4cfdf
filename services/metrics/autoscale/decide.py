"""From a policy and the load to a number of replicas, and why. Pure: the same is decided whenever the same is seen.

The target that needs the most replicas decides. A replica that is within a tenth of its target changes nothing. More is decided from the
lower of the last two looks, fewer from the highest of a whole cool-down, so that a load that does not change settles on one number.
"""

import math
from collections.abc import Iterator

import msgspec

from libs.common.messages.api import Autoscale, Limits
from services.metrics.autoscale.load import Load, Remembered, least

TOLERANCE = 0.1
_PERCENT = 100


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """By the monotonic clock. `changed`: the last decision.

    `idle_since`: since when nobody asked anything; None: somebody does, or it is not known.
    """

    now: float
    changed: float
    idle_since: float | None = None


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What one target asks for. `replicas` and `figure`, which is a replica's, are None when the load is not known."""

    target: str
    value: float
    replicas: int | None
    figure: float | None
    words: str

    @property
    def says(self) -> str:
        return f"{self.words.format(self.figure)}, the target is {self.value:g}"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`replicas`, and why; the present number means that it stays. `passed`: the field of the policy that decided."""

    replicas: int
    reason: str
    passed: str = ""
    figures: dict[str, float] = {}


def decide(policy: Autoscale, limits: Limits, load: Remembered, current: int, times: Times) -> Decision:
    """`current` is at least 1: an app that sleeps is woken by a request, not by its load."""
    if policy.min_replicas == 0 and policy.idle_timeout_seconds is not None and times.idle_since is not None:
        idle = times.now - times.idle_since
        if idle >= policy.idle_timeout_seconds:
            reason = f"From {current} to 0: nobody asked it anything for {policy.idle_timeout_seconds} s."
            return Decision(replicas=0, reason=reason, passed="idle_timeout_seconds", figures={"idle_seconds": round(idle, 1)})
    if len(load.recent) < 2:  # noqa: PLR2004 - two looks: one may be a spike
        return Decision(replicas=current, reason="The figures are not there yet.")
    return _more(policy, limits, load, current, times) or _fewer(policy, limits, load, current, times) or _stay(current)


def _stay(current: int) -> Decision:
    return Decision(replicas=current, reason="The load is as the targets want it.")


def _more(policy: Autoscale, limits: Limits, load: Remembered, current: int, times: Times) -> Decision | None:
    needs = list(needed(policy, limits, least(load.recent), current))
    most = max((need for need in needs if need.replicas is not None), key=lambda need: need.replicas or 0, default=None)
    if most is None or most.replicas is None or min(most.replicas, policy.max_replicas) <= current:
        return None
    if times.now - times.changed < policy.scale_up_cooldown_seconds:
        return Decision(replicas=current, reason="More are needed; the cool-down is not over.")
    to = min(most.replicas, policy.max_replicas)
    return Decision(replicas=to, reason=f"From {current} to {to}: {most.says}.", passed=most.target, figures=_figures(needs))


def _fewer(policy: Autoscale, limits: Limits, load: Remembered, current: int, times: Times) -> Decision | None:
    window = policy.scale_down_cooldown_seconds
    if load.peak is None or load.since > times.now - window or load.peak.running < current:
        return None
    needs = list(needed(policy, limits, load.peak, current))
    if not needs or any(need.replicas is None for need in needs):
        return None
    most = max(needs, key=lambda need: need.replicas or 0)
    to = max(most.replicas or 0, policy.min_replicas, 1)
    if to >= current:
        return None
    if times.now - times.changed < window:
        return Decision(replicas=current, reason="Fewer would do; the cool-down is not over.")
    reason = f"From {current} to {to}: at most, for {window} s, {most.says}."
    return Decision(replicas=to, reason=reason, passed=most.target, figures=_figures(needs))


def needed(policy: Autoscale, limits: Limits, load: Load, current: int) -> Iterator[Need]:
    """One need for each target that is set."""
    if policy.target_cpu_percent is not None:
        of = "the limit" if limits.cpu is not None else "one core"
        words = f"CPU is at {{:g}} % of {of}"
        yield _need("target_cpu_percent", policy.target_cpu_percent, _part(load.cpu, limits.cpu or 1.0), current, words)
    if policy.target_memory_percent is not None:
        in_percent = None if limits.memory is None or load.memory is None else _PERCENT * load.memory / limits.memory
        yield _need("target_memory_percent", policy.target_memory_percent, in_percent, current, "memory is at {:g} % of the limit")
    if policy.target_requests_per_second is not None:
        words = "each replica has {:g} requests per second"
        yield _need("target_requests_per_second", policy.target_requests_per_second, load.requests, current, words)


def _part(value: float | None, whole: float) -> float | None:
    return None if value is None else value / whole


def _need(target: str, value: float, total: float | None, current: int, words: str) -> Need:
    if total is None:
        return Need(target=target, value=value, replicas=None, figure=None, words=words)
    each = total / current
    replicas = current if abs(each / value - 1) <= TOLERANCE else max(1, math.ceil(round(total / value, 6)))
    return Need(target=target, value=value, replicas=replicas, figure=round(each, 1), words=words)


def _figures(needs: list[Need]) -> dict[str, float]:
    return {need.target.removeprefix("target_"): need.figure for need in needs if need.figure is not None}
