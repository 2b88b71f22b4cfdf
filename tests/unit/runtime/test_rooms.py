"""The small pure rooms: deaths, addresses, wants, labels, probes' answers, chunks of logs."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from libs.common.bounds import cut
from libs.common.engine.containers import ContainerListed, ContainerSeen
from libs.common.messages.api import Complete
from libs.common.messages.runtime import LogLine
from libs.common.states import Intent, ReplicaState
from libs.common.subjects import COMPLETE_KEY
from services.runtime import facts, spec
from services.runtime.addresses import REST_SECONDS, Released, choose, parse_routes, subnets
from services.runtime.answers import bounded
from services.runtime.clock import Now
from services.runtime.deaths import Deaths, pause
from services.runtime.desired import Wants
from services.runtime.probe import read_head
from services.runtime.replica import Health, Key, Replica
from services.runtime.view import merged
from services.runtime.words import MOST_LINE, chunks
from tests.unit.runtime.cases import APP, desired, release, replica

SUBNET = "10.213.0.0/26"
ALL = {str(host) for host in ipaddress.IPv4Network(SUBNET).hosts()}


@pytest.mark.parametrize(("row", "seconds"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (7, 32), (8, 60), (50, 60)])
def test_pauses_grow_to_a_minute(row: int, seconds: float) -> None:
    assert pause(row) == seconds


def test_five_deaths_in_two_minutes_are_a_loop_and_a_minute_of_life_ends_it() -> None:
    deaths = Deaths()
    for second in range(5):
        assert not deaths.loops
        deaths = deaths.another(float(second), up_since=float(second))
    assert deaths.loops
    assert deaths.retry_at == 4 + 8
    assert deaths.another(200.0, up_since=100.0).row == 1


@pytest.mark.parametrize(
    ("taken", "released", "chosen"),
    [
        (set(), {}, "10.213.0.2"),
        ({"10.213.0.2"}, {}, "10.213.0.3"),
        (set(), {"10.213.0.2": 10.0}, "10.213.0.3"),
        (ALL - {"10.213.0.9"}, {"10.213.0.9": 9_999.0}, "10.213.0.9"),
        (ALL - {"10.213.0.9", "10.213.0.8"}, {"10.213.0.8": 9_999.0, "10.213.0.9": 9_000.0}, "10.213.0.9"),
        (ALL, {}, None),
    ],
)
def test_the_address_that_rested_longest_comes_first(taken: set[str], released: dict[str, float], chosen: str | None) -> None:
    assert choose(SUBNET, taken, released, now=10_000.0) == chosen


def test_released_addresses_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    Released(path).note("10.213.0.2")
    assert Released(path).times.keys() == {"10.213.0.2"}
    path.write_text("{broken")
    assert Released(path).times == {}
    assert REST_SECONDS == 3600


def test_subnets_skip_what_overlaps() -> None:
    used = [ipaddress.IPv4Network("10.213.0.0/25"), ipaddress.IPv4Network("172.17.0.0/16")]
    assert str(next(subnets("10.213.0.0/16", used))) == "10.213.0.128/26"
    assert list(subnets("10.213.0.0/26", used)) == []


def test_the_kernels_routes() -> None:
    text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    text += "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n"
    text += "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
    assert [str(network) for network in parse_routes(text)] == ["192.168.2.0/24"]


def test_older_wishes_are_passed_over() -> None:
    wants = Wants()
    raw = {revision: msgspec.Raw(msgspec.json.encode(desired(revision=revision))) for revision in (4, 5)}
    assert wants.take(APP, raw[5]) is not None
    assert wants.take(APP, raw[4]) is None
    assert wants.take(APP, raw[5]) is None
    risen = msgspec.Raw(msgspec.json.encode(desired(epoch=2, revision=1)))
    assert wants.take(APP, risen) is not None


def test_complete_is_of_the_present_epoch() -> None:
    wants = Wants()
    assert not wants.complete
    wants.take(COMPLETE_KEY, msgspec.Raw(msgspec.json.encode(Complete(epoch=1))))
    assert wants.complete
    wants.take(APP, msgspec.Raw(msgspec.json.encode(desired(epoch=2))))
    assert not wants.complete


def test_the_last_of_a_project() -> None:
    wants = Wants()
    wish = desired(intent=Intent.DELETED)
    other = msgspec.structs.replace(desired(), app_id="app_2")
    wants.take("app_2", msgspec.Raw(msgspec.json.encode(other)))
    assert not wants.last_in_project(wish)
    wants.take("app_2", msgspec.Raw(msgspec.json.encode(msgspec.structs.replace(other, revision=9, intent=Intent.DELETED))))
    assert wants.last_in_project(wish)


def test_a_container_is_read_back_from_its_labels() -> None:
    place = spec.Place(instance="i", node="n")
    made = spec.container_spec(desired(), release(3), Key(3, 1, 2), env={"A": "b"}, address="10.213.0.7", place=place)
    assert made.env == {"PORT": "8080", "A": "b"}
    assert made.name == f"dk-{APP}-web-r3.1-2"
    listed = ContainerListed(
        id="c1", name=made.name, labels=made.labels, state=ReplicaState.RUNNING, image_id="sha256:3", address="10.213.0.7"
    )
    found = spec.replica_of(listed)
    assert found is not None
    assert (found.key, found.port, found.drain_seconds, found.health) == (Key(3, 1, 2), 8080, 30.0, Health.UNSEEN)
    assert spec.replica_of(msgspec.structs.replace(listed, labels={"dockup.app": APP})) is None


def inspected(one: Replica, **fields: object) -> ContainerSeen:
    defaults: dict[str, object] = {
        "id": one.id,
        "name": one.name,
        "labels": {},
        "state": ReplicaState.RUNNING,
        "image_id": "",
        "address": one.address,
        "pid": 1,
        "exit_code": 0,
        "oom_killed": False,
        "restart_count": 0,
        "restart_policy": "unless-stopped",
        "created_at": "2026-01-01T00:00:00Z",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": None,
        "error": "",
    }
    return ContainerSeen(**{**defaults, **fields})  # type: ignore[arg-type]


def test_a_start_behind_our_back_makes_it_starting_and_our_own_does_not() -> None:
    now = Now(wall=datetime(2026, 1, 1, tzinfo=UTC), engine=50.0)
    ours = merged(replica(1, started_at=None), inspected(replica(1)), now)
    assert ours.health == Health.HEALTHY
    again = merged(ours, inspected(ours, started_at="2026-01-01T00:01:00Z", finished_at="2026-01-01T00:00:59Z"), now)
    assert (again.health, again.up_since) == (Health.STARTING, 50.0)


def test_facts_have_the_same_id_each_time() -> None:
    one = replica(1, started_at="2026-01-01T00:00:00.123456789Z", healthy_at="2026-01-01T00:00:01Z")
    first, second = facts.of_life(APP, one), facts.of_life(APP, one)
    assert [event.event_id for event in first] == [event.event_id for event in second]
    assert [type(event).__name__ for event in first] == ["ReplicaStarted", "ReplicaHealthy"]
    assert first[0].at == "2026-01-01T00:00:00.123Z"


def test_a_death_that_is_heard_is_the_one_that_is_seen_later() -> None:
    """The engine's event knows neither the nanoseconds nor the end that `inspect` has; that memory was the reason is another fact."""
    begun = "2026-01-01T00:00:00.123456789Z"
    heard = replica(1, started_at=begun, exit_code=137, finished_at="2026-01-01T00:01:00.007Z")
    looked = msgspec.structs.replace(heard, state=ReplicaState.EXITED, finished_at="2026-01-01T00:01:00.001000001Z")
    one, same = (facts.died(APP, each, begun).event_id for each in (heard, looked))
    assert one == same
    other = facts.died(APP, looked, "2026-01-01T00:02:00Z").event_id
    memory = facts.died(APP, msgspec.structs.replace(looked, oom=True), begun).event_id
    assert len({one, other, memory}) == 3


def test_phases_are_the_gaps_between_marks() -> None:
    live = facts.live(APP, release(1), {"begun": 1.0, "create": 1.007, "start": 1.2, "healthy": 1.201, "routed": 1.21})
    assert live.phases == (("create", 7.0), ("start", 193.0), ("healthy", 1.0), ("routed", 9.0))
    assert facts.live(APP, release(1), {"begun": 1.0, "routed": 2.0}).phases == ()


def test_the_head_of_an_answer() -> None:
    head = read_head(b"HTTP/1.1 204 No Content\r\nX-Dockup-Replica: r1.0-0.abc\r\n\r\n")
    assert (head.status, head.fields) == (204, {"x-dockup-replica": "r1.0-0.abc"})
    with pytest.raises(ValueError, match="HTTP"):
        read_head(b"SSH-2.0-OpenSSH\r\n\r\n")


def line(message: str) -> LogLine:
    return LogLine(at="2026-01-01T00:00:00Z", stream="stdout", replica="r", message=message)


def test_chunks_have_at_most_200_lines_and_400_kb() -> None:
    assert [len(chunk) for chunk in chunks([line("x")] * 450)] == [200, 200, 50]
    assert [len(chunk) for chunk in chunks([line("x" * 150_000)] * 3)] == [2, 1]
    assert chunks([]) == []


@pytest.mark.parametrize("text", ["\0" * 50_000, "\U0001f600" * 60_000, '"' * 100_000, "\0é" * 40_000])
def test_chunks_are_measured_as_they_are_sent(text: str) -> None:
    found = chunks([line(cut(text, MOST_LINE))] * 40)
    assert sum(len(chunk) for chunk in found) == 40
    assert all(len(msgspec.json.encode(chunk)) <= 401_000 for chunk in found)


MISFITS = {
    "no object": b"[1]",
    "a field is missing": b'{"app_id":"app_1"}',
    "an intent that nobody knows": msgspec.json.encode({**msgspec.to_builtins(desired()), "intent": "dancing"}),
    "a later version": msgspec.json.encode({**msgspec.to_builtins(desired()), "v": 2}),
    "of another app": msgspec.json.encode(msgspec.structs.replace(desired(), app_id="app_2")),
}


@pytest.mark.parametrize("body", MISFITS.values(), ids=MISFITS)
def test_a_wish_that_does_not_fit_is_passed_over_and_named(body: bytes) -> None:
    wants = Wants()
    wants.take(APP, msgspec.Raw(msgspec.json.encode(desired(revision=4))))
    assert wants.take(APP, msgspec.Raw(body)) is None
    assert list(wants.unread) == [APP]
    assert APP not in wants.entries
    assert not wants.last_in_project(msgspec.structs.replace(desired(), app_id="app_3"))
    assert wants.take(APP, msgspec.Raw(msgspec.json.encode(desired(revision=5)))) is not None
    assert wants.unread == {}


def test_a_complete_that_does_not_fit_completes_nothing() -> None:
    wants = Wants()
    assert wants.take(COMPLETE_KEY, msgspec.Raw(b'{"epoch":"one"}')) is None
    assert list(wants.unread) == [COMPLETE_KEY]
    assert not wants.complete


def test_a_full_disk_keeps_no_container_from_going(tmp_path: Path) -> None:
    released = Released(tmp_path / "gone" / "addresses.json")
    released.note("10.213.0.2")
    assert released.times.keys() == {"10.213.0.2"}


def test_an_answer_keeps_the_newest_that_fit() -> None:
    few = bounded([line(str(number)) for number in range(5)], 3)
    assert [entry.message for entry in few.items] == ["2", "3", "4"]
    assert not few.truncated
    large = bounded([line("x" * 400_000)] * 4, 10)
    assert len(large.items) == 2
    assert large.truncated
