"""What is said to people: how an app is, and what went wrong."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.cli import say, show
from libs.cli.apps.condition import condition
from libs.cli.apps.following import judge
from libs.cli.remote.errors import Failed, Refused

Json = dict[str, Any]
RUNNING: Json = {"slug": "demo", "status": "running", "status_reason": None, "status_detail": None, "pending_fields": []}
FAILURE: Json = {"code": "image_not_found", "message": "There is no such image.", "evidence": ["a", "b"], "hint": "Check its name."}
FAILED: Json = {"number": 2, "status": "failed", "failure": FAILURE}
LIVE: Json = {"number": 1, "status": "live", "failure": None}


@pytest.mark.parametrize(
    ("app", "newest", "words", "colour", "steps"),
    [
        ({}, LIVE, "running", "green", []),
        ({"pending_fields": ["env"]}, LIVE, "running", "green", ["dockup deploy demo"]),
        ({}, FAILED, "running", "green", ["mend it, then: dockup deploy demo (what ran before goes on meanwhile)"]),
        ({}, {**LIVE, "status": "building"}, "running", "green", ["deployment 1 is building; look again in a moment"]),
        ({"status": "stopped", "status_reason": "never_deployed"}, None, "stopped", None, ["dockup deploy demo"]),
        ({"status": "stopped", "status_reason": "deploy_failed"}, FAILED, "stopped", "red", ["mend it, then: dockup deploy demo"]),
        ({"status": "stopped", "status_reason": "stopped_by_user"}, LIVE, "stopped", None, ["dockup start demo"]),
        ({"status": "paused", "status_detail": "Frozen."}, LIVE, "paused: Frozen.", "yellow", ["dockup unpause demo"]),
        ({"status_reason": "unhealthy"}, LIVE, "running", "red", ["dockup logs demo"]),
        ({"status_reason": "engine_unreachable"}, LIVE, "running", "red", ["look at the server: dockup doctor"]),
        ({"status_reason": "deleting"}, LIVE, "running", "green", []),
    ],
)
def test_an_app_in_words(app: Json, newest: Json | None, words: str, colour: str | None, steps: list[str]) -> None:
    found = condition({**RUNNING, **app}, newest)
    assert (found.words, found.colour, found.next) == (words, colour, steps)
    assert bool(found.wrong) is (newest is FAILED)


def test_a_problem_in_words() -> None:
    problem = {"title": "A field is wrong", "detail": "/x: is no number", "code": "validation_failed", "hint": "Mend it.", "errors": []}
    problem["errors"] = [{"pointer": "/x", "detail": "is no number"}, {"pointer": "/y", "detail": "is missing"}]
    assert say.words_of(problem).splitlines() == [
        "dockup: A field is wrong: /x: is no number (validation_failed)",
        "  y: is missing",
        "  Mend it.",
    ]
    assert say.words_of({"title": "It is so", "detail": "It is so.", "code": "failed", "hint": ""}) == "dockup: It is so"


@pytest.mark.parametrize(
    ("deployment", "status", "word"),
    [
        (FAILED, 1, "There is no such image"),
        ({"number": 3, "status": "superseded", "failure": None}, 1, "superseded"),
        ({"number": 3, "status": "cancelled", "failure": None}, 1, "cancelled"),
        ({"number": 3, "status": "deploying", "failure": None}, 1, "still deploying"),
    ],
)
def test_an_end_that_is_not_good(deployment: Json, status: int, word: str) -> None:
    with pytest.raises(Failed) as failed:
        judge(deployment, "demo", said=["a"])
    assert failed.value.exit_status == status
    assert word in say.words_of(failed.value.problem)
    assert "| a" not in say.words_of(failed.value.problem)
    judge(LIVE, "demo")


def test_exit_statuses_of_answers() -> None:
    assert Refused(404, {"code": "not_found"}).exit_status == 3
    assert Refused(422, {"code": "deployment_failed"}).exit_status == 1


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2030-01-31T11:59:59Z", "1 second ago"),
        ("2030-01-31T11:58:01Z", "1 minute ago"),
        ("2030-01-31T09:00:00Z", "3 hours ago"),
        ("2030-01-01T12:00:00Z", "30 days ago"),
        ("2030-01-31T12:00:05Z", "0 seconds ago"),
        (None, ""),
    ],
)
def test_times(at: str | None, words: str) -> None:
    assert show.ago(at, datetime(2030, 1, 31, 12, tzinfo=UTC)) == words


@pytest.mark.parametrize(("count", "words"), [(None, ""), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (5 * 1024**3, "5.0 GB")])
def test_sizes(count: int | None, words: str) -> None:
    assert show.size(count) == words


def test_a_table_is_aligned_and_colours_are_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(("app", "status"), [("a", show.paint("running", "green")), ("long-name", None)], empty="none")
    assert capsys.readouterr().out == "app        status\na          running\nlong-name\n"
    show.table(("app", "status"), [("\x1b[32ma\x1b[0m", "x"), ("long-name", None)], empty="none")
    assert "\x1b[32ma\x1b[0m          x\n" in capsys.readouterr().out
    show.table(("app",), [], empty="none")
    assert capsys.readouterr().out == "none\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m and\ttabs,\nlines, ümläute •", "\x1b[31mred\x1b[0m and\ttabs,\nlines, ümläute •"),
        ("a title \x1b]0;root@host\x07", "a title \\x1b]0;root@host\\x07"),
        ("the clipboard \x9d52;c;cm0gLXJm\x9c", "the clipboard \\x9d52;c;cm0gLXJm\\x9c"),
        ("up \x1b[2A and over\rit", "up \\x1b[2A and over\\rit"),
        ("backwards \u202eexe.txt", "backwards \\u202eexe.txt"),
        ("a line of Windows\r", "a line of Windows\r"),
        ("\x1b[2mdim\r\x1b[0m", "\x1b[2mdim\r\x1b[0m"),
    ],
)
def test_a_terminal_is_only_coloured(text: str, shown: str) -> None:
    assert show.harmless(text) == shown
