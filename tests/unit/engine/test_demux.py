"""The engine's stream of a log, taken apart wherever it is cut: each line once, whatever is told again."""

import struct
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.engine.demux import MOST_LINE, Demux, Line
from libs.common.engine.following import engine_time


def at(number: int) -> str:
    return f"2026-01-31T09:30:{number // 1000:02d}.{number % 1000:03d}000000Z"


def frame(text: str, number: int, stream: int = 1, end: str = "\n") -> bytes:
    body = f"{at(number)} {text}{end}".encode()
    return struct.pack(">BxxxL", stream, len(body)) + body


def fed(*chunks: bytes) -> list[tuple[str, str]]:
    demux = Demux()
    return [(line.stream, line.message) for chunk in chunks for line in demux.feed(chunk)]


@given(cuts=st.lists(st.integers(0, 400), max_size=20))
def test_wherever_it_is_cut(cuts: list[int]) -> None:
    whole = b"".join(frame(f"line {number}", number, 1 + number % 2) for number in range(12))
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    chunks = [whole[begin:end] for begin, end in pairwise(places)]
    assert fed(*chunks) == [(("stdout", "stderr")[number % 2], f"line {number}") for number in range(12)]
    demux = Demux()
    assert sum((demux.skip(chunk) for chunk in chunks), Counter()) == {"stdout": 6, "stderr": 6}


def test_what_is_told_again_comes_once() -> None:
    """The engine tells the last lines of a file again after it has turned it over, and tells on from there."""
    lines = [frame(str(number), number) for number in range(100)]
    assert [text for _, text in fed(*lines[:80], *lines[20:])] == [str(number) for number in range(100)]
    demux = Demux()
    demux.feed(b"".join(lines[:80]))
    assert demux.skip(b"".join(lines[20:])) == {"stdout": 20}
    assert demux.feed(lines[99]) == []
    assert demux.newest == at(99)


def test_what_was_overtaken_by_the_other_stream_is_new() -> None:
    assert fed(frame("late", 5, 1), frame("early", 3, 2)) == [("stdout", "late"), ("stderr", "early")]
    assert fed(frame("1", 1), frame("5", 5), frame("3", 3), frame("3", 3)) == [("stdout", "1"), ("stdout", "5"), ("stdout", "3")]


def test_a_clock_that_was_put_back_silences_an_app_for_three_seconds_at_most() -> None:
    now = 0.0
    demux = Demux(clock=lambda: now)
    for number in range(10_000, 60_000):
        demux.feed(frame("before", number))
    shown = 0
    for number in range(100):
        shown += len(demux.feed(frame("after", number)))
        now += 0.1
    assert shown >= 69


LONG = "x" * 16_000


@pytest.mark.parametrize(
    ("frames", "lines"),
    [
        ([frame(LONG, 1, end=""), frame(LONG, 1, end=""), frame("end", 1)], [LONG + LONG + "end"]),
        ([frame(LONG, 1, end=""), frame("other", 2, 2), frame("end", 1)], ["other", LONG + "end"]),
        ([frame(LONG, 1, end=""), frame("older", 0), frame(LONG, 1, end=""), frame("end", 1)], ["older", LONG + "end"]),
        ([frame("caf\xe9", 1), frame("windows\r", 2), frame("", 3)], ["café", "windows", ""]),
    ],
    ids=["pieces", "of two streams", "told again", "odd"],
)
def test_long_lines(frames: list[bytes], lines: list[str]) -> None:
    assert [text for _, text in fed(*frames)] == lines


def test_a_line_without_an_end() -> None:
    demux = Demux()
    for _ in range(100):
        assert demux.feed(frame(LONG, 1, end="")) == []
    [line] = demux.end()
    assert line == Line(at(1), "stdout", "x" * MOST_LINE, 100 * len(LONG) - MOST_LINE)
    assert demux.end() == []


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2026-01-31T09:30:00.123456789Z", "1769851800.123456789"),
        ("2026-01-31T09:30:00Z", "1769851800.000000000"),
        ("2026-01-31T09:30:00.5Z", "1769851800.500000000"),
    ],
)
def test_times_for_the_engine(moment: str, seconds: str) -> None:
    assert engine_time(moment) == seconds
