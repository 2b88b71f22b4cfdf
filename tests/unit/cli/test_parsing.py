"""What people type, and what is understood of it."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from libs.cli.apps import env, scale
from libs.cli.apps.deploy import named
from libs.cli.apps.files import opened, text_of
from libs.cli.apps.logs import moment
from libs.cli.apps.run import new_lines
from libs.cli.remote.target import normal

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        ((), env.Asked("list")),
        (("list",), env.Asked("list")),
        (("A=1",), env.Asked("set", {"A": "1"})),
        (("set", "A=1", "B=x=y", "C="), env.Asked("set", {"A": "1", "B": "x=y", "C": ""})),
        (("unset", "A", "B"), env.Asked("set", {"A": None, "B": None})),
        (("import", ".env"), env.Asked("import", source=".env")),
        (("list", "A"), None),
        (("set",), None),
        (("set", "A"), None),
        (("A=1", "B"), None),
        (("unset",), None),
        (("import",), None),
        (("import", "a", "b"), None),
        (("remove", "A"), None),
    ],
)
def test_env(words: Sequence[str], understood: env.Asked | None) -> None:
    if understood is None:
        with pytest.raises(click.UsageError):
            env.read(words)
    else:
        assert env.read(words) == understood


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", "A=plain"),
        ("", "A="),
        ("two words", 'A="two words"'),
        ('say "no"\nand \\n', 'A="say \\"no\\"\\nand \\\\n"'),
        ("a#b", 'A="a#b"'),
        ("it's", 'A="it\'s"'),
    ],
)
def test_env_is_printed_as_it_would_be_read(value: str, line: str) -> None:
    from services.api.env.dotenv import parse  # noqa: PLC0415 - what reads it on the other side

    assert env.dotenv("A", value) == line
    assert parse(line) == {"A": value}


@pytest.mark.parametrize(
    ("counts", "cpu", "memory", "fields"),
    [
        ((), None, None, {}),
        (("3",), None, None, {"replicas": 3}),
        (("web=0",), None, None, {"replicas": 0}),
        ((), "0.5", None, {"cpu_limit": 0.5}),
        ((), "2", "256", {"cpu_limit": 2.0, "memory_limit": 256}),
        ((), None, "512m", {"memory_limit": 512}),
        ((), None, "2GB", {"memory_limit": 2048}),
        ((), "none", "none", {"cpu_limit": None, "memory_limit": None}),
        (("-1",), None, None, None),
        (("many",), None, None, None),
        (("worker=2",), None, None, {"processes": {"worker": {"replicas": 2}}}),
        (("3", "worker=0"), None, "64", {"replicas": 3, "memory_limit": 64, "processes": {"worker": {"replicas": 0, "memory_limit": 64}}}),
        (("worker=1",), "1", None, {"processes": {"worker": {"replicas": 1, "cpu_limit": 1.0}}}),
        (("worker=1", "worker=2"), None, None, None),
        (("Worker=1",), None, None, None),
        (("1", "web=2"), None, None, None),
        ((), "half", None, None),
        ((), "nan", None, None),
        ((), None, "2t", None),
        ((), None, "1.5g", None),
    ],
)
def test_scale(counts: Sequence[str], cpu: str | None, memory: str | None, fields: dict[str, Any] | None) -> None:
    if fields is None:
        with pytest.raises(click.UsageError):
            scale.settings(counts, cpu, memory)
    else:
        assert scale.settings(counts, cpu, memory) == fields


@pytest.mark.parametrize(
    ("app", "source", "usual", "understood"),
    [
        ("a", None, None, ("a", None)),
        ("a", "-", "b", ("a", "-")),
        ("-", None, "b", ("b", "-")),
        (None, None, "b", ("b", None)),
        ("-", None, None, None),
        (None, None, "", None),
    ],
)
def test_which_app_is_deployed(app: str | None, source: str | None, usual: str | None, understood: tuple[str, str | None] | None) -> None:
    if understood is None:
        with pytest.raises(click.UsageError):
            named(app, source, usual)
    else:
        assert named(app, source, usual) == understood


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", "2030-01-31T11:58:30Z"),
        ("10m", "2030-01-31T11:50:00Z"),
        ("2h", "2030-01-31T10:00:00Z"),
        ("1d", "2030-01-30T12:00:00Z"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00Z"),
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z"),
        ("yesterday", None),
        ("10", None),
        ("m", None),
        ("99999999d", None),
        ("999999d", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("-5m", None),
    ],
)
def test_since(text: str, at: str | None) -> None:
    if at is None:
        with pytest.raises(click.UsageError):
            moment(text, NOW)
    else:
        assert moment(text, NOW) == at


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("dockup.example.com", "https://dockup.example.com"),
        ("https://dockup.example.com:443/", "https://dockup.example.com"),
        ("https://localhost:8443/api/v1/", "https://localhost:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("HTTPS://Dockup.Example.com", "https://dockup.example.com"),
    ],
)
def test_addresses(given: str, url: str) -> None:
    assert normal(given) == url


def test_lines_are_printed_once_though_streams_come_in_late() -> None:
    from collections import Counter  # noqa: PLC0415 - of this test alone

    first = [("1", "stdout", "a"), ("3", "stdout", "c"), ("3", "stdout", "c")]
    then = [("1", "stdout", "a"), ("2", "stderr", "b"), *first[1:], ("3", "stdout", "c"), ("4", "stdout", "d")]
    assert new_lines(first, Counter()) == first
    assert new_lines(then, Counter(first)) == [("2", "stderr", "b"), ("3", "stdout", "c"), ("4", "stdout", "d")]


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, latin = tmp_path, tmp_path / "latin"
    latin.write_bytes(b"A=\xe4\n")
    for source, word in ((str(folder), "is a folder"), (str(tmp_path / "none"), "cannot be read")):
        with pytest.raises(click.UsageError, match=word):
            opened(source)
    with pytest.raises(click.UsageError, match="UTF-8"):
        text_of(str(latin))
    controller, terminal = os.openpty()
    with os.fdopen(terminal) as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        with pytest.raises(click.UsageError, match="standard input"):
            opened("-")
    os.close(controller)
