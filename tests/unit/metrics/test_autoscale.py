"""Decisions: a table of policies and loads, and what a constant load leads to."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.messages.api import Autoscale, Limits
from libs.common.messages.metrics import ReplicaSample
from libs.common.states import ReplicaState
from services.metrics.autoscale.decide import Decision, Times, decide
from services.metrics.autoscale.load import Load, Remembered, Window, of

NOW = 10_000.0
CPU = {"max_replicas": 5, "target_cpu_percent": 70}
RPS = {"max_replicas": 5, "target_requests_per_second": 50}
MEMORY = {"max_replicas": 5, "target_memory_percent": 80}
SLEEPY = {**RPS, "min_replicas": 0, "idle_timeout_seconds": 60}
HALF = Limits(cpu=0.5, memory=100)


def load(at: float = 0.0, running: int = 9, **fields: Any) -> Load:
    return Load(at=NOW + at, running=running, **fields)


def remembered(*looks: Load, peak: Load | None = None, since: float = -1_000.0) -> Remembered:
    """The looks, the last two of which are recent; without another peak theirs is the window's."""
    window = Window(15)
    for look in looks:
        window.add(look, 300)
    found = window.remembered()
    return Remembered(recent=found.recent, peak=peak or found.peak, since=NOW + since)


def steady(**fields: Any) -> Remembered:
    return remembered(load(-5, **fields), load(**fields))


def times(changed: float = -1_000.0, idle: float | None = None) -> Times:
    return Times(now=NOW, changed=NOW + changed, idle_since=None if idle is None else NOW - idle)


@pytest.mark.parametrize(
    ("policy", "seen", "current", "at", "replicas", "passed"),
    [
        # CPU, of a core and of the limit.
        (CPU, steady(cpu=100.0), 1, times(), 2, "target_cpu_percent"),
        (CPU, steady(cpu=210.0), 1, times(), 3, "target_cpu_percent"),
        (CPU, steady(cpu=900.0), 2, times(), 5, "target_cpu_percent"),
        (CPU, steady(cpu=140.0), 2, times(), 2, ""),
        (CPU, steady(cpu=153.0), 2, times(), 2, ""),  # within a tenth
        (CPU, steady(cpu=155.0), 2, times(), 3, "target_cpu_percent"),
        (CPU, steady(cpu=10.0), 4, times(), 1, "target_cpu_percent"),
        (CPU, steady(cpu=75.0), 4, times(), 2, "target_cpu_percent"),
        ({**CPU, "min_replicas": 3}, steady(cpu=10.0), 4, times(), 3, "target_cpu_percent"),
        # Requests and memory.
        (RPS, steady(requests=124.0), 2, times(), 3, "target_requests_per_second"),
        (RPS, steady(requests=0.0), 3, times(), 1, "target_requests_per_second"),
        (MEMORY, steady(memory=190.0), 2, times(), 3, "target_memory_percent"),
        # The one that needs the most decides.
        ({**CPU, **RPS}, steady(cpu=10.0, requests=190.0), 2, times(), 4, "target_requests_per_second"),
        ({**CPU, **RPS}, steady(cpu=210.0, requests=1.0), 2, times(), 3, "target_cpu_percent"),
        ({**CPU, **RPS}, steady(cpu=10.0, requests=110.0), 4, times(), 3, "target_requests_per_second"),
        # What is not known: no fewer for its sake, more all the same.
        ({**CPU, **RPS}, steady(cpu=210.0), 2, times(), 3, "target_cpu_percent"),
        ({**CPU, **RPS}, steady(cpu=10.0), 4, times(), 4, ""),
        (CPU, steady(), 4, times(), 4, ""),
        # A spike of one look, and a dip of one.
        (CPU, remembered(load(-5, cpu=10.0), load(cpu=900.0)), 1, times(), 1, ""),
        (CPU, remembered(load(-5, cpu=10.0), load(cpu=10.0), peak=load(cpu=280.0)), 4, times(), 4, ""),
        # Cool-downs.
        (CPU, steady(cpu=900.0), 1, times(changed=-29), 1, ""),
        (CPU, steady(cpu=900.0), 1, times(changed=-30), 5, "target_cpu_percent"),
        (CPU, steady(cpu=10.0), 4, times(changed=-299), 4, ""),
        (CPU, steady(cpu=10.0), 4, times(changed=-300), 1, "target_cpu_percent"),
        # The window is not whole yet, or some of the replicas were not seen.
        (CPU, remembered(load(-5, cpu=10.0), load(cpu=10.0), since=-299), 4, times(), 4, ""),
        (CPU, steady(cpu=10.0, running=3), 4, times(), 4, ""),
        # Too few looks, or one from before an outage, which takes the window with it.
        (CPU, remembered(), 1, times(), 1, ""),
        (CPU, remembered(load(cpu=900.0)), 1, times(), 1, ""),
        (CPU, remembered(load(-16, cpu=900.0), load(cpu=900.0)), 1, times(), 1, ""),
        # Sleep.
        (SLEEPY, steady(requests=0.0), 1, times(idle=60), 0, "idle_timeout_seconds"),
        (SLEEPY, steady(requests=0.0), 3, times(idle=60), 0, "idle_timeout_seconds"),
        (SLEEPY, steady(requests=0.0), 1, times(idle=59), 1, ""),
        (SLEEPY, steady(requests=0.0), 1, times(), 1, ""),  # something is open, or the routers are not heard
        ({**SLEEPY, "min_replicas": 1}, steady(requests=0.0), 1, times(idle=90), 1, ""),
        ({"min_replicas": 0, "idle_timeout_seconds": 60}, steady(), 1, times(idle=60), 0, "idle_timeout_seconds"),
        (SLEEPY, steady(requests=0.0), 2, times(idle=10), 1, "target_requests_per_second"),  # never to 0 by its load
    ],
)
def test_decisions(*, policy: dict[str, Any], seen: Remembered, current: int, at: Times, replicas: int, passed: str) -> None:
    limits = HALF if "target_memory_percent" in policy else Limits()
    decision = decide(Autoscale(**policy), limits, seen, current, at)
    assert (decision.replicas, decision.passed) == (replicas, passed), decision.reason
    assert decision.reason.endswith(".")


def test_a_decision_says_which_figure_passed_which_target() -> None:
    up = decide(Autoscale(**{**CPU, **RPS}), HALF, steady(cpu=98.0, requests=12.0), 1, times())  # type: ignore[arg-type]
    assert up.reason == "From 1 to 3: CPU is at 196 % of the limit, the target is 70."
    assert up.figures == {"cpu_percent": 196.0, "requests_per_second": 12.0}
    down = decide(Autoscale(**RPS), Limits(), steady(requests=30.0), 3, times())  # type: ignore[arg-type]
    assert down.reason == "From 3 to 1: at most, for 300 s, each replica has 10 requests per second, the target is 50."


def test_what_runs_is_summed_and_what_is_not_known_makes_it_unknown() -> None:
    def sample(cpu: float | None, state: ReplicaState = ReplicaState.RUNNING) -> ReplicaSample:
        return ReplicaSample(app_id="a", release=1, replica="r", container_id="c", state=state, cpu_usage=cpu, memory_usage=10.0)

    assert of([sample(20.0), sample(30.0)], 4.0, NOW) == load(running=2, cpu=50.0, memory=20.0, requests=4.0)
    assert of([sample(20.0), sample(None)], None, NOW) == load(running=2, memory=20.0)
    assert of([sample(20.0), sample(None, ReplicaState.EXITED)], None, NOW) == load(running=1, cpu=20.0, memory=10.0)
    assert of([], None, NOW) == load(running=0)


def test_what_was_before_an_outage_says_nothing() -> None:
    window = Window(15)
    for second in (0, 5, 21):
        window.add(load(second, cpu=900.0 if second < 21 else 1.0), 300)
    found = window.remembered()
    assert (len(found.recent), found.since, found.peak) == (1, NOW + 21, load(21, cpu=1.0))


def test_a_window_forgets_and_stays_small() -> None:
    window = Window(15)
    for second in range(0, 5_000, 5):
        window.add(load(second, cpu=float(second == 4_600), running=1 if second == 4_700 else 2), 300)
    found = window.remembered()
    assert found.peak is not None
    assert (found.peak.cpu, found.peak.running) == (0.0, 1), "the peak is older than 300 s, the look at one replica is not"
    assert NOW + 4_995 - 305 <= found.since <= NOW + 4_995 - 300 + 5
    assert len(window._peaks) < 70


class Simulated:
    """An app whose load does not depend on how many share it, looked at every five seconds."""

    def __init__(self, policy: Autoscale, limits: Limits, current: int) -> None:
        self.policy, self.limits, self.number = policy, limits, current
        self._now, self._changed, self._window = 0.0, -math.inf, Window(15)
        self.history = [current]

    def look(self, load: dict[str, float | None]) -> Decision:
        self._now += 5
        self._window.add(Load(at=self._now, running=self.number, **load), self.policy.scale_down_cooldown_seconds)
        at = Times(now=self._now, changed=self._changed)
        decision = decide(self.policy, self.limits, self._window.remembered(), self.number, at)
        if decision.replicas != self.number:
            self.number, self._changed, self._window = decision.replicas, self._now, Window(15)
            self.history.append(self.number)
        return decision


@settings(max_examples=300, deadline=None)
@given(
    bounds=st.tuples(st.integers(1, 32), st.integers(1, 32)),
    start=st.integers(1, 32),
    cpu=st.floats(0, 4_000),
    requests=st.one_of(st.none(), st.floats(0, 4_000)),
    cooldowns=st.tuples(st.sampled_from((0, 5, 30, 60)), st.sampled_from((0, 10, 30))),
)
def test_a_constant_load_settles_on_one_number_and_stays(
    *, bounds: tuple[int, int], start: int, cpu: float, requests: float | None, cooldowns: tuple[int, int]
) -> None:
    low, high = sorted(bounds)
    policy = Autoscale(
        min_replicas=low,
        max_replicas=high,
        target_cpu_percent=70,
        target_requests_per_second=None if requests is None else 50,
        scale_up_cooldown_seconds=cooldowns[0],
        scale_down_cooldown_seconds=cooldowns[1],
    )
    app = Simulated(policy, Limits(), min(max(start, low), high))
    for _ in range(60):
        app.look({"cpu": cpu, "requests": requests})
    settled = app.number
    for _ in range(60):
        app.look({"cpu": cpu, "requests": requests})
    assert app.number == settled
    steps = [after - before for before, after in pairwise(app.history)]
    assert all(step > 0 for step in steps) or all(step < 0 for step in steps), f"it never turns round: {app.history}"
    needs = max(cpu / 70, (requests or 0) / 50)
    assert low <= settled <= high
    assert settled == high or settled >= needs / 1.1 - 1e-6, "enough"
    assert settled == low or settled - 1 < needs + 1e-6 or needs >= 0.9 * settled - 1e-6, "and no more than that, but for a tenth"


@settings(max_examples=100, deadline=None)
@given(st.floats(50, 500), st.lists(st.floats(-0.04, 0.04), min_size=120, max_size=120))
def test_a_load_that_trembles_does_not_make_the_number_tremble(cpu: float, noise: list[float]) -> None:
    policy = Autoscale(max_replicas=32, target_cpu_percent=70, scale_up_cooldown_seconds=0, scale_down_cooldown_seconds=60)
    app = Simulated(policy, Limits(), 1)
    for part in noise:
        app.look({"cpu": cpu * (1 + part)})
    steps = [after - before for before, after in pairwise(app.history)]
    turns = sum((a > 0) != (b > 0) for a, b in pairwise(steps))
    assert turns <= 1, app.history
