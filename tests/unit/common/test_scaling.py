"""How many replicas there are to be: a table of wishes, decisions and clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.common import scaling
from libs.common.clock import rfc3339
from libs.common.messages.api import Autoscale, Desired
from libs.common.messages.scale import Scale
from libs.common.states import Intent

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    return rfc3339(NOW + timedelta(seconds=seconds))


def scale(replicas: int, seconds: float = -10) -> Scale:
    return Scale(app_id="app_1", replicas=replicas, at=at(seconds), by="metrics")


ON = {"min_replicas": 2, "max_replicas": 5}
SLEEPY = {"min_replicas": 0, "max_replicas": 3, "idle_timeout_seconds": 60}


@pytest.mark.parametrize(
    ("policy", "decision", "expected"),
    [
        (None, None, 4),
        (None, scale(1), 4),  # a decision without a policy is void
        (ON, None, 4),
        (ON, scale(3), 3),
        (ON, scale(0), 2),
        (ON, scale(1), 2),
        (ON, scale(9), 5),
        ({"min_replicas": 1, "max_replicas": 3}, None, 3),  # the own number is clamped too
        (SLEEPY, scale(0), 0),
        (SLEEPY, None, 3),  # a lost bucket wakes what slept
        ({**SLEEPY, "since": at(-5)}, scale(0), 3),  # switched on, or scaled by hand, since
        ({**SLEEPY, "awake_since": at(-10)}, scale(0), 3),  # started since it was to sleep
        ({**SLEEPY, "awake_since": at(-20)}, scale(0), 0),
        ({**SLEEPY, "awake_since": at(-5)}, scale(1), 1),
        ({**ON, "since": at(-10)}, scale(3), 4),  # at the same moment: void too
        ({**ON, "since": at(-20)}, scale(3), 3),
        ({**ON, "held_until": at(1)}, scale(3), 4),
        ({**ON, "max_replicas": 3, "held_until": at(1)}, scale(3), 4),  # what was set by hand is not clamped while it is held
        ({**SLEEPY, "held_until": at(1)}, scale(0), 4),
        ({**ON, "held_until": at(0)}, scale(3), 3),
        ({**ON, "held_until": at(-1)}, scale(3), 3),
        ({**ON, "held_until": at(300)}, scale(3), 4),
        ({**ON, "held_until": at(3_600)}, scale(3), 3),  # longer than any cool-down: the clock jumped back since
        ({**ON, "held_until": at(200), "scale_down_cooldown_seconds": 100}, scale(3), 3),  # the cool-down was made shorter
    ],
)
def test_number(policy: dict[str, object] | None, decision: Scale | None, expected: int) -> None:
    wish = Desired(
        app_id="app_1",
        project_id="prj_1",
        slug="demo",
        hosts=(),
        epoch=1,
        revision=1,
        intent=Intent.RUNNING,
        replicas=4,
        autoscale=None if policy is None else Autoscale(**policy),  # type: ignore[arg-type]
    )
    assert scaling.number(wish, decision, NOW.timestamp()) == expected


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (at(0), (None,), at(0)),
        (at(0), (at(-5), None), at(0)),
        (at(0), (at(0),), at(0.001)),
        (at(0), (at(3_600), at(5)), at(3_600.001)),
    ],
)
def test_the_time_of_decisions_only_rises(now: str, before: tuple[str | None, ...], expected: str) -> None:
    assert scaling.later(now, *before) == expected
