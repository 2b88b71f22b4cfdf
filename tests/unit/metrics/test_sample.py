import pytest

from libs.common.engine.containers import ContainerListed
from libs.common.states import ReplicaState
from services.metrics.cgroups import Usage
from services.metrics.sample import Reading, Sampler, read

MB = 1024 * 1024
LABELS = {"dockup.app": "app_1", "dockup.release": "3"}


def listed(container_id: str, labels: dict[str, str] | None = None) -> ContainerListed:
    return ContainerListed(
        id=container_id,
        name=f"dk-{container_id}",
        labels=LABELS if labels is None else labels,
        state=ReplicaState.RUNNING,
        image_id="sha256:0",
        address=None,
    )


def used(cpu_seconds: float) -> Usage:
    return Usage(cpu_seconds=cpu_seconds, memory_bytes=5 * MB)


@pytest.mark.parametrize(
    ("last", "cpu_seconds", "now", "expected"),
    [
        pytest.param(None, 7.0, 100.0, Reading(at=100.0, cpu_seconds=7.0, rate=None), id="first"),
        pytest.param(
            Reading(at=100.0, cpu_seconds=7.0, rate=None),
            12.0,
            110.0,
            Reading(at=110.0, cpu_seconds=12.0, rate=50.0),
            id="half a core",
        ),
        pytest.param(
            Reading(at=100.0, cpu_seconds=7.0, rate=None),
            27.0,
            110.0,
            Reading(at=110.0, cpu_seconds=27.0, rate=200.0),
            id="two cores",
        ),
        pytest.param(
            Reading(at=100.0, cpu_seconds=7.0, rate=33.0),
            7.5,
            100.2,
            Reading(at=100.0, cpu_seconds=7.0, rate=33.0),
            id="too soon for a new rate",
        ),
        pytest.param(
            Reading(at=100.0, cpu_seconds=7.0, rate=33.0),
            0.1,
            110.0,
            Reading(at=110.0, cpu_seconds=0.1, rate=None),
            id="started again",
        ),
    ],
)
def test_rates(last: Reading | None, cpu_seconds: float, now: float, expected: Reading) -> None:
    assert read(last, used(cpu_seconds), now) == expected


def test_a_container_that_does_not_run_has_no_figures() -> None:
    (sample,) = Sampler().take([listed("a")], {}, 1.0)
    assert (sample.cpu_usage, sample.memory_usage) == (None, None)
    assert (sample.app_id, sample.release, sample.replica) == ("app_1", 3, "dk-a")


def test_a_call_between_two_syncs() -> None:
    """Its rate is since the later of the last sync and the last call, and the sync's own rate knows nothing of it."""
    sampler = Sampler()
    sampler.take([listed("a")], {"a": used(1.0)}, 0.0)
    rates = [sampler.now([listed("a")], {"a": used(cpu)}, at)[0].cpu_usage for cpu, at in ((6.0, 10.0), (6.1, 10.5), (8.0, 12.0))]
    assert rates == [50.0, 50.0, 100.0]
    assert sampler.take([listed("a")], {"a": used(8.0)}, 28.0)[0].cpu_usage == 25.0
    assert sampler.now([listed("a")], {"a": used(8.5)}, 29.0)[0].cpu_usage == 50.0
    assert sampler.now([listed("a")], {"a": used(0.1)}, 31.0)[0].cpu_usage is None, "started again"
    assert sampler.now([listed("b")], {}, 32.0)[0].cpu_usage is None


def test_a_container_that_was_away_starts_from_nothing() -> None:
    sampler = Sampler()
    sampler.take([listed("a")], {"a": used(1.0)}, 0.0)
    sampler.take([], {}, 30.0)
    (sample,) = sampler.take([listed("a")], {"a": used(40.0)}, 60.0)
    assert sample.cpu_usage is None
    assert sample.memory_usage == 5.0


@pytest.mark.parametrize("labels", [{}, {"dockup.app": "app_1"}, {"dockup.app": "app_1", "dockup.release": "x"}])
def test_what_is_no_replica_is_not_said(labels: dict[str, str]) -> None:
    assert Sampler().take([listed("a", labels)], {}, 1.0) == ()


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"dockup.app": "app_1"},
        {"dockup.release": "3"},
        {"dockup.app": "nobody", "dockup.release": "3"},
        {"dockup.app": "app_1\n", "dockup.release": "3"},
        {"dockup.app": "app_1", "dockup.release": "three"},
        {"dockup.app": "app_1", "dockup.release": "\u00b2"},  # a digit, which no number is made of
        {"dockup.app": "app_1", "dockup.release": "9" * 5000},
    ],
)
def test_labels_that_are_not_as_ours_are_nobodys(labels: dict[str, str]) -> None:
    assert [sample.replica for sample in Sampler().take([listed("a", labels), listed("b")], {}, 1.0)] == ["dk-b"]
