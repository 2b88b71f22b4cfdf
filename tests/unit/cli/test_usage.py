"""What is not understood ends with 2, and nobody was asked anything: there is nobody to ask."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from libs.cli.__main__ import main

WRONG: list[tuple[str, ...]] = [
    ("nonsense",),
    ("app",),
    ("stop",),
    ("deploy",),
    ("deploy", "-"),
    ("deploy", "a", "/"),
    ("deploy", "a", "no-such-file"),
    ("deploy", "a", "--image", "b", "--ref", "c"),
    ("deploy", "a", "--port", "80"),
    ("deploy", "a", "--create", "--port", "0"),
    ("deploy", "a", "--env-file", "no-such-file"),
    ("deploy", "a", "--wait", "601"),
    ("scale", "a", "Worker=1"),
    ("env", "a", "set"),
    ("env", "a", "import", "no-such-file"),
    ("domains", "a", "add"),
    ("domains", "a", "list", "b.example"),
    ("domains", "a", "turn", "b.example"),
    ("volumes", "a", "add", "data"),
    ("volumes", "a", "remove", "data", "--purge"),
    ("delete", "a"),
    ("run", "a"),
    ("exec", "a", "--json"),
    ("logs", "--since", "10m"),
    ("logs", "--json"),
    ("logs", "--app"),
    ("logs", "a", "--since", "yesterday"),
    ("logs", "a", "-n", "10001"),
    ("logs", "a", "-f", "--deployment", "dep_1"),
    ("login",),
    ("login", "https://a.example"),
    ("login", "https://a.example", "--ca", "no-such-file"),
]


@pytest.mark.parametrize("words", WRONG)
def test_what_is_not_understood(tmp_path: Path, words: tuple[str, ...]) -> None:
    known = {name: None for name in os.environ if name.startswith("DOCKUP_")}
    nobody = {**known, "DOCKUP_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = CliRunner().invoke(main, list(words), env=nobody)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""


def test_whom_to_ask_is_not_known(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["apps", "--json"], env={"DOCKUP_HOME": str(tmp_path), "DOCKUP_URL": None})
    assert (done.exit_code, done.stdout) == (4, "")
    assert '"code": "unreachable"' in done.stderr
