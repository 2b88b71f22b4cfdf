"""What readers of a log get: in order, each line once, and the number of those that they do not get."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.engine.demux import Line
from libs.common.messages.api import Desired, Release
from libs.common.messages.runtime import LogLine
from libs.common.secrets import MASK
from services.runtime.masks import Masks
from services.runtime.tails.allowance import Allowance
from services.runtime.tails.hiding import Hiding
from services.runtime.tails.known import Known, precise
from services.runtime.tails.ring import Batch, Entry, Ring, Source
from services.runtime.tails.tail import batches

OUT, ERR = Source("r1", "stdout"), Source("r1", "stderr")


def at(number: int) -> str:
    return f"2026-01-31T09:30:00.{number:09d}Z"


def entries(*numbers: int, source: Source = OUT) -> list[Entry]:
    return [Entry(at(number), source, b"%d" % number) for number in numbers]


async def test_a_reader_that_lags_is_told_how_many_lines_it_missed_and_the_others_miss_none() -> None:
    ring = Ring(most=5_000)
    everything, errors, fast = ring.cursor(lambda _: True), ring.cursor(lambda source: source == ERR), ring.cursor(lambda _: True)
    got: list[bytes] = []
    for number in range(40):
        ring.add(Batch(entries(number) + entries(number, source=ERR)))
        batch = await fast.next()
        assert batch is not None
        got.append(batch.body)
        assert fast.take_missed() == 0
    assert got == [b"%d\n%d" % (number, number) for number in range(40)]
    kept = 0
    ring.close()
    while (batch := await everything.next()) is not None:
        kept += len(batch.entries)
    assert 0 < kept < 80
    assert everything.take_missed() == 80 - kept
    assert everything.take_missed() == 0
    await errors.next()
    assert errors.take_missed() == (80 - kept) // 2


async def test_what_everybody_has_had_is_let_go() -> None:
    ring = Ring()
    first, second = ring.cursor(lambda _: True), ring.cursor(lambda _: True)
    for number in range(3):
        ring.add(Batch(entries(number)))
    for _ in range(3):
        await first.next()
    await second.next()
    ring.add(Batch(entries(3)))
    assert ring.held == 3
    assert [(await second.next()).body for _ in range(3)] == [b"1", b"2", b"3"]  # type: ignore[union-attr]
    await first.next()
    ring.add(Batch(entries(4)))
    assert ring.held == 1
    assert first.take_missed() == second.take_missed() == 0


async def test_what_was_not_read_is_missed_by_those_who_want_it() -> None:
    ring = Ring()
    everything, errors = ring.cursor(lambda _: True), ring.cursor(lambda source: source == ERR)
    ring.add(Batch([], Counter({OUT: 7, ERR: 2})))
    for cursor, missed in ((everything, 9), (errors, 2)):
        await cursor.next()
        assert cursor.take_missed() == missed


async def test_a_reader_waits_and_is_woken() -> None:
    ring = Ring()
    cursor = ring.cursor(lambda _: True)
    waiting = asyncio.create_task(cursor.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    ring.add(Batch(entries(1)))
    assert (await waiting) is ring.at(0)
    ring.drop(cursor)
    waiting = asyncio.create_task(ring.cursor(lambda _: True).next())
    await asyncio.sleep(0)
    ring.close()
    assert await waiting is None


@given(sizes=st.lists(st.integers(1, 40_000), max_size=30), missed=st.integers(0, 3))
def test_batches_have_all_in_order_and_fit(sizes: list[int], missed: int) -> None:
    given_entries = [Entry(at(number), OUT, b"x" * size) for number, size in enumerate(sizes)]
    found = batches(given_entries, Counter({OUT: missed} if missed else {}))
    assert [entry for batch in found for entry in batch.entries] == given_entries
    assert sum(batch.missed.total() for batch in found) == missed
    assert all(len(batch.body) <= 32 * 1024 or len(batch.entries) == 1 for batch in found)


def said(*numbers: int) -> list[LogLine]:
    return [LogLine(at=at(number), stream="stdout", replica="r1", message=str(number)) for number in numbers]


SEAMS = {
    "nothing was there": ([], None, [1, 2], [1, 2]),
    "all was there": ([1, 2, 3], None, [2, 3], []),
    "it overlaps": ([1, 2, 3], None, [2, 3, 4, 5], [4, 5]),
    "older than what was read": ([5, 6], None, [3, 4, 5, 6, 7], [7]),
    "one that was overtaken": ([1, 3], None, [1, 2, 3, 4], [2, 4]),
    "since": ([], at(4), [3, 4, 5], [4, 5]),
    "since, and some were there": ([4, 5], at(4), [2, 3, 4, 5, 6], [6]),
    "two of one moment": ([1, 1], None, [1, 1, 1, 2], [1, 2]),
}


@pytest.mark.parametrize(("past", "since", "live", "new"), SEAMS.values(), ids=SEAMS)
def test_the_seam(past: list[int], since: str | None, live: list[int], new: list[int]) -> None:
    known = Known(said(*past), since)
    assert [int(entry.body) for entry in entries(*live) if known.is_new(entry)] == new


def test_another_replica_has_a_seam_of_its_own() -> None:
    known = Known(said(5), None)
    other = entries(1, source=Source("r2", "stdout"))
    assert known.is_new(other[0])
    assert known.is_about(Batch(entries(6)))
    assert known.is_new(entries(6)[0])
    assert not known.is_about(Batch(entries(6)))


@pytest.mark.parametrize(
    ("given_time", "exact"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000000000Z"),
        ("2026-01-31T10:30:00.5+01:00", "2026-01-31T09:30:00.500000000Z"),
        ("2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.123456789Z"),
        ("2026-01-31t09:30:00.1234567891-00:00", "2026-01-31T09:30:00.123456789Z"),
    ],
)
def test_times_to_compare(given_time: str, exact: str) -> None:
    assert precise(given_time) == exact


def test_an_allowance_is_spent_and_comes_again() -> None:
    now = 0.0
    above = Allowance(1.0, clock=lambda: now)
    first, second = (Allowance(0.5, above, clock=lambda: now) for _ in range(2))
    assert first.has_left()
    first.spend(1.5)
    assert not first.has_left()
    assert second.has_left()
    second.spend(0.6)
    assert not second.has_left(), "both together have spent all that there is"
    now = 2.0
    assert first.has_left()
    assert second.has_left()


def wanted() -> Desired:
    release = Release(number=1, deployment_id="dep_1", image="i", image_id="i", port=80, env="sealed")
    return Desired(app_id="app_1", project_id="prj_1", slug="s", hosts=(), epoch=1, revision=1, intent="running", current=release)  # type: ignore[arg-type]


def masks(*secrets: str) -> Masks:
    found = Masks()
    found.learn(wanted(), lambda _: [(f"TOKEN_{number}", secret) for number, secret in enumerate(secrets)])
    return found


def lines(*messages: str) -> list[Line]:
    return [Line(at(number), "stdout", message) for number, message in enumerate(messages)]


def test_a_secret_over_the_end_of_what_was_read_is_hidden() -> None:
    hiding = Hiding("r1", masks("correct-horse-battery"))
    shown = hiding.take(lines("before", "it is correct-ho"))
    assert [b"before" in entry.body for entry in shown] == [True]
    assert hiding.holds
    shown += hiding.take(lines("rse-battery or not"))
    assert not hiding.holds
    text = b"\n".join(entry.body for entry in shown).decode()
    assert "it is •" in text
    assert "correct" not in text
    assert "battery" not in text
    assert [entry.body for entry in hiding.take(lines("it is correct-ho"))] == []
    [held] = hiding.end()
    assert b"correct" not in held.body


def test_masks_forget_what_is_long_past_and_nothing_that_is_wanted() -> None:
    found = masks("of-what-is-wanted")
    for number in range(200):
        found.learn_env({"TOKEN": f"secret-{number:04}"}, ())
        found.learn(wanted(), lambda _: [])  # it is known already
    assert found.hide("of-what-is-wanted secret-0199") == f"{MASK} {MASK}"
    assert found.hide("secret-0100") == "secret-0100"
