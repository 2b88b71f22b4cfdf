"""`dockup logs`: the ends of the services' log files, and what comes after."""

from io import BufferedReader
from pathlib import Path
from time import sleep

import click

from libs.supervisor.home import Home
from libs.supervisor.logs import tail
from libs.supervisor.problem import Problem
from libs.supervisor.settings import find_home

_PAUSE = 0.25


def logs(service: str | None, *, lines: int, follow: bool) -> int:
    home = find_home()
    files = _files(home, service)
    for file in files:
        for line in tail(file, lines):
            _print(file, line, named=len(files) > 1)
    if follow:
        _follow(files)
    return 0


def _files(home: Home, service: str | None) -> list[Path]:
    there = sorted(home.logs.glob("*.log")) if home.logs.is_dir() else []
    if service is None:
        if not there:
            raise Problem(f"there are no logs in {home.logs} yet; start Dockup with: dockup up --detach")
        return there
    names = [file.stem for file in there]
    if service not in names:
        raise Problem(f"there is no log of {service!r}; there are: {', '.join(names) or 'none yet'}")
    return [home.log(service)]


def _print(file: Path, line: str, *, named: bool) -> None:
    click.echo(f"{file.stem:<10} {line}" if named else line)


def _follow(files: list[Path]) -> None:
    """Look every quarter of a second; a log that was emptied is read from its start."""
    opened = {file: file.open("rb") for file in files}
    for reader in opened.values():
        reader.seek(0, 2)
    while True:
        for file, reader in opened.items():
            for line in _new_lines(file, reader):
                _print(file, line, named=len(files) > 1)
        sleep(_PAUSE)


def _new_lines(file: Path, reader: BufferedReader) -> list[str]:
    """Whole lines alone: a half one stays for the next look."""
    if file.stat().st_size < reader.tell():
        reader.seek(0)
    start = reader.tell()
    whole, newline, _ = reader.read().rpartition(b"\n")
    reader.seek(start + len(whole) + len(newline))
    return whole.decode("utf-8", errors="replace").splitlines()
