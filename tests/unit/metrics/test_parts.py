"""An observation of more than a message takes."""

import msgspec
import pytest

from libs.common import ids
from libs.common.disks import Disk
from libs.common.messages.metrics import NO_APP, Observation, ReplicaSample, VolumeSize
from libs.common.states import ReplicaState
from services.metrics.parts import parts

MESSAGE = 1024 * 1024
HUGE = 2**53
APPS = [ids.new("app") for _ in range(400)]


def sample(app_id: str, slot: int) -> ReplicaSample:
    """As long as they come."""
    return ReplicaSample(
        app_id=app_id,
        release=HUGE,
        replica=f"dk-{app_id}-{'process' * 4}-r{HUGE}.{HUGE}-{slot}",
        container_id="f" * 64,
        state=ReplicaState.RESTARTING,
        process="process" * 4,
        cpu_usage=123456789.25,
        memory_usage=123456789.25,
        memory_limit=123456789.25,
        network_rx_bytes=HUGE,
        network_tx_bytes=HUGE,
        block_read_bytes=HUGE,
        block_write_bytes=HUGE,
        pids=HUGE,
        restarts=HUGE,
    )


def observation(replicas: int, volumes: int = 0, apps: int = len(APPS)) -> Observation:
    return Observation(
        at="2026-01-01T00:00:00.000Z",
        engine_id="e",
        engine_ok=True,
        interval_seconds=30,
        samples=tuple(sample(app_id, slot) for slot in range(replicas) for app_id in reversed(APPS[:apps])),
        number=7,
        source="one",
        disks=(Disk(places=("state",), path="/", used_bytes=1, free_bytes=1),),
        volumes=tuple(VolumeSize(volume=ids.new("vol"), copy=HUGE, size_bytes=HUGE) for _ in range(volumes)),
        volumes_at="2026-01-01T00:00:00.000Z",
    )


@pytest.mark.parametrize(
    ("replicas", "volumes", "messages"),
    [(0, 0, 1), (1, 0, 1), (8, 0, 4), (1, 8_000, 4), (32, 20_000, 16)],
)
def test_each_message_fits_and_nothing_is_lost_or_said_twice(replicas: int, volumes: int, messages: int) -> None:
    whole = observation(replicas, volumes)
    said = parts(whole)
    assert len(said) == messages
    assert max(len(msgspec.json.encode(part)) for part in said) < MESSAGE * 0.8
    assert {(part.number, part.source, part.at, part.engine_ok) for part in said} == {(7, "one", whole.at, True)}
    assert sorted((each for part in said for each in part.samples), key=repr) == sorted(whole.samples, key=repr)
    assert tuple(each for part in said for each in part.volumes) == whole.volumes
    assert [part.disks for part in said] == [whole.disks, *[()] * (messages - 1)]


@pytest.mark.parametrize("volumes", [0, 20_000])
def test_each_app_is_told_of_by_one_message(volumes: int) -> None:
    """One that has no container, too: that is said of it."""
    whole = observation(8, volumes)
    said = parts(whole)
    assert (said[0].after, said[-1].until) == ("", "")
    for app_id in (*APPS, ids.new("app"), f"{NO_APP}{'0' * 32}", f"{NO_APP}{'f' * 32}"):
        (teller,) = [part for part in said if part.after < app_id and (app_id <= part.until or not part.until)]
        assert [each for each in teller.samples if each.app_id == app_id] == [each for each in whole.samples if each.app_id == app_id]


def test_an_engine_that_is_away_is_said_of_all() -> None:
    away = msgspec.structs.replace(observation(0), engine_ok=False)
    assert parts(away) == [away]
