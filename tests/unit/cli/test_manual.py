"""docs/cli.md says what the verbs say, and every verb starts without what it does not need."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from libs.cli.__main__ import VERBS, main
from libs.cli.manual import page

ROOT = Path(__file__).parents[3]
APPS = next(iter(VERBS.values()))
SLOW = ("httpx", "msgspec", "pydantic", "rich", "websockets", "nats", "cryptography", "asyncio")


def test_the_manual_is_true() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == page(), "run: just manual"


def test_every_verb_is_there() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


@pytest.mark.parametrize("module", sorted(set(APPS.values())))
def test_a_verb_imports_late(module: str) -> None:
    """What is imported is what a start takes; nothing is timed here."""
    code = f"import sys, libs.cli.__main__, libs.cli.{module}; print(*[name for name in {SLOW!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    assert done.stdout.strip() == ""
