"""Which policies make sense. Pure, but for the machine's size."""

from collections.abc import Iterator

from libs.common.messages.api import Autoscale
from services.api.apps.grammar import machine
from services.api.apps.models import AppRow
from services.api.autoscale.policy import Kept, of
from services.api.http.problems import FieldError, Problem, invalid

_PERCENT = 100


def check(app: AppRow, kept: Kept) -> None:
    """`400 validation_failed` naming every field that does not fit the others or the app."""
    errors = [FieldError(pointer=pointer, detail=detail) for pointer, detail in _wrong(app, kept)]
    if errors:
        raise Problem("validation_failed", f"{errors[0].pointer}: {errors[0].detail}.", errors=errors)


def check_memory_limit(app: AppRow) -> None:
    """A target that is a part of `memory_limit` needs one for as long as it is looked at."""
    kept = of(app)
    if kept.enabled and kept.policy.target_memory_percent is not None and app.memory_limit is None:
        raise invalid("/memory_limit", "is needed while autoscaling has a target_memory_percent, which is a part of it")


def _wrong(app: AppRow, kept: Kept) -> Iterator[tuple[str, str]]:
    policy = kept.policy
    if policy.min_replicas > policy.max_replicas:
        yield "/min_replicas", f"is {policy.min_replicas}, more than max_replicas, which is {policy.max_replicas}"
    if policy.min_replicas == 0 and policy.idle_timeout_seconds is None:
        yield "/idle_timeout_seconds", "is needed with min_replicas 0: after that long without a request the app sleeps"
    if policy.target_memory_percent is not None and app.memory_limit is None:
        yield "/target_memory_percent", "is a part of memory_limit, and the app has none: set that first"
    most = _PERCENT * machine()[0] if app.cpu_limit is None else _PERCENT
    if policy.target_cpu_percent is not None and policy.target_cpu_percent > most:
        of_what = f"one core, and this machine has {most // _PERCENT}" if app.cpu_limit is None else "the app's cpu_limit"
        yield "/target_cpu_percent", f"is {policy.target_cpu_percent:g}, more than a replica can use: it is of {of_what}"
    if kept.enabled and not _targets(policy) and policy.min_replicas > 0:
        yield "/enabled", "needs a target to follow, or min_replicas 0 with idle_timeout_seconds"


def _targets(policy: Autoscale) -> list[float]:
    found = (policy.target_cpu_percent, policy.target_memory_percent, policy.target_requests_per_second)
    return [target for target in found if target is not None]
