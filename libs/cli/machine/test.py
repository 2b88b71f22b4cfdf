"""`dockup test`: what CI runs, in the order of what fails fastest."""

import subprocess
import sys
from pathlib import Path
from time import monotonic

import click

ROOT = Path(__file__).parents[3]


def test(arguments: list[str]) -> int:
    """Return the first status that is not 0: what comes after that does not run."""
    checks = [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]]
    for check in checks:
        if status := _run([sys.executable, "-m", *check]):
            return status
    return _run([sys.executable, "-m", "pytest", *(arguments or ["-n", "2", "--dist", "loadgroup"])])


def _run(command: list[str]) -> int:
    click.echo(f"• {' '.join(command[2:])}")
    start = monotonic()
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    click.echo(f"  {monotonic() - start:.0f} s, exit status {status}")
    return status
