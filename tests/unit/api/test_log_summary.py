"""Summaries of logs, without a server: what is an error, what is the same, what fits, and that nothing is counted twice or left out."""

from collections.abc import Iterable
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.messages.runtime import LogLine
from services.api.logs.schemas import LogSummary
from services.api.logs.summary import summary
from services.api.logs.summary.levels import Level, level_of

LEVELS = {
    "ERROR: no such table": Level.ERROR,
    "2026-01-31 09:30:00,123 ERROR root: it broke": Level.ERROR,
    "[error] worker 7 exited": Level.ERROR,
    '{"level":"error","msg":"it broke"}': Level.ERROR,
    '{"level":50,"msg":"pino says it in numbers"}': Level.ERROR,
    '{"level":30,"msg":"an error that is none"}': Level.INFO,
    "level=warn msg=slow": Level.WARNING,
    'level=info msg="error: of somebody else\'s"': Level.INFO,
    "E0131 09:30:00.000000 7 main.go:3] klog": Level.ERROR,
    "I0131 09:30:00.000000 7 main.go:3] klog": Level.INFO,
    "panic: runtime error: index out of range": Level.ERROR,
    "Traceback (most recent call last):": Level.ERROR,
    "java.lang.IllegalStateException: no": Level.ERROR,
    "TypeError: x is not a function": Level.ERROR,
    "FATAL:  password authentication failed": Level.ERROR,
    "npm WARN deprecated left-pad": Level.WARNING,
    "app.py:3: DeprecationWarning: old": Level.WARNING,
    "warning: slow": Level.WARNING,
    "INFO 0 errors": Level.INFO,
    "compiled with 0 errors: fine": Level.INFO,
    "GET /errors 200": Level.INFO,
    "listening on 8080": Level.INFO,
    "": Level.INFO,
}


@pytest.mark.parametrize(("message", "level"), LEVELS.items(), ids=LEVELS)
def test_levels(message: str, level: Level) -> None:
    assert level_of(message) == level


def lines(*messages: str, replica: str = "r1", stream: str = "stdout") -> list[LogLine]:
    seconds = count()
    return [LogLine(at=f"2026-01-31T09:{next(seconds):06.3f}Z", stream=stream, replica=replica, message=text) for text in messages]


def shown(found: LogSummary) -> list[tuple[str, int, int, str]]:
    return [(item.level, item.count, item.lines, item.message) for item in found.items]


FOLDED: dict[str, tuple[list[str], list[tuple[str, int, int, str]]]] = {
    "nothing": ([], []),
    "errors first, then warnings, then the rest": (
        ["one", "WARN two", "ERROR three", "four"],
        [("error", 1, 1, "ERROR three"), ("warning", 1, 1, "WARN two"), ("info", 1, 1, "four"), ("info", 1, 1, "one")],
    ),
    "figures make no difference, and the last one shows": (
        ["GET /a/1 200 in 12.5 ms", "GET /a/2 200 in 9 ms", "GET /b/3 200 in 7 ms"],
        [("info", 1, 1, "GET /b/3 200 in 7 ms"), ("info", 2, 2, "GET /a/2 200 in 9 ms")],
    ),
    "ids and times neither": (
        [
            "2026-01-31T09:30:00Z job 019c13f1-d3a2-7d4e-8f50-61728394a5b6 done deadbeef01",
            "2026-01-31T09:31:00.5+01:00 job 119c13f1-d3a2-7d4e-8f50-61728394a5b6 done deadbeef02",
        ],
        [("info", 2, 2, "2026-01-31T09:31:00.5+01:00 job 119c13f1-d3a2-7d4e-8f50-61728394a5b6 done deadbeef02")],
    ),
    "a stack trace is one message": (
        ["Traceback (most recent call last):", '  File "a.py", line 3', "    f()", "ValueError: 7", "on we go", "on we go"],
        [
            ("error", 1, 4, 'Traceback (most recent call last):\n  File "a.py", line 3\n    f()\nValueError: 7'),
            ("info", 2, 2, "on we go"),
        ],
    ),
    "two that end in different errors are two": (
        ["Traceback (most recent call last):", "  f()", "ValueError: 7", "Traceback (most recent call last):", "  g()", "KeyError: 8"],
        [
            ("error", 1, 3, "Traceback (most recent call last):\n  g()\nKeyError: 8"),
            ("error", 1, 3, "Traceback (most recent call last):\n  f()\nValueError: 7"),
        ],
    ),
}


@pytest.mark.parametrize(("messages", "groups"), FOLDED.values(), ids=FOLDED)
def test_folding(messages: list[str], groups: list[tuple[str, int, int, str]]) -> None:
    found = summary.summarize(lines(*messages), 50_000)
    assert shown(found) == groups
    assert found.lines == len(messages)
    assert found.errors == sum(count for level, count, *_ in groups if level == "error")
    assert found.omitted == msgspec.structs.replace(found.omitted, groups=0, lines=0)


def test_traces_of_two_replicas_are_kept_apart() -> None:
    one = lines("Traceback (most recent call last):", "  f()", "ValueError: 7", replica="r1")
    two = lines("Traceback (most recent call last):", "  f()", "ValueError: 8", replica="r2")
    mixed = [line for pair in zip(one, two, strict=True) for line in pair]
    [item] = summary.summarize(mixed, 50_000).items
    assert (item.count, item.lines, item.replicas) == (2, 6, ["r1", "r2"])


def test_errors_are_what_is_left_when_little_fits() -> None:
    found = summary.summarize(lines(*(f"{'x' * number} said" for number in range(1, 200)), "ERROR it broke", "still here"), 1_000)
    assert found.items[0].message == "ERROR it broke"
    assert 0 < len(found.items) < 10
    assert sum(item.lines for item in found.items) + found.omitted.lines == 201
    assert len(found.items) + found.omitted.groups == 201


def test_a_long_message_is_cut_and_leaves_room() -> None:
    found = summary.summarize(lines("ERROR " + "x" * 100_000, "ERROR it broke too"), 2_000)
    assert [item.message[:15] for item in found.items] == ["ERROR it broke ", "ERROR " + "x" * 9]
    assert "bytes cut]" in found.items[1].message


messages = st.lists(
    st.one_of(st.sampled_from(list(LEVELS)), st.text(max_size=300), st.sampled_from(["  at f()", "x" * 5_000, '"' * 900, "\x00é🙂"]))
)


@given(messages=messages, max_bytes=st.integers(1_000, 20_000))
def test_any_lines(messages: list[str], max_bytes: int) -> None:
    """It fits, counts exactly, and says the same again."""
    given_lines = lines(*messages)
    found = summary.summarize(given_lines, max_bytes)
    body = msgspec.json.encode(found)
    assert len(body) <= max_bytes
    assert sum(item.lines for item in found.items) + found.omitted.lines == len(messages)
    assert body == msgspec.json.encode(summary.summarize(list(given_lines), max_bytes))
    text = summary.as_text(found, max_bytes)
    assert len(text.encode()) <= max_bytes
    assert text.startswith(f"{len(messages)} lines, {found.errors} errors\n")
    assert ranks(found.items) == sorted(ranks(found.items))


def ranks(items: Iterable[Any]) -> list[int]:
    return [list(Level).index(Level(item.level)) for item in items]
