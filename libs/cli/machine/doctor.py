"""`dockup doctor`: what is well, what is not, and what to do about it."""

import asyncio

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.supervisor.doctor import ward
from libs.supervisor.doctor.examine import examine
from libs.supervisor.doctor.finding import Finding, Level
from libs.supervisor.doctor.patient import Patient, receive
from libs.supervisor.settings import find_home

_SIGNS = {Level.SKIPPED: "[dim]-[/]", Level.OK: "[green]ok[/]", Level.WARNING: "[yellow]warning[/]", Level.PROBLEM: "[bold red]problem[/]"}


def doctor(*, as_json: bool, remove_strays: bool, yes: bool) -> int:
    """Return the exit status: 0 without a problem, 1 otherwise. A warning is none."""
    patient = asyncio.run(receive(find_home()))
    if remove_strays and not _remove(patient, yes=yes, quiet=as_json):
        return 1
    if remove_strays:
        patient = asyncio.run(receive(find_home()))
    found = asyncio.run(examine(patient))
    worst = max((list(Level).index(finding.level) for finding in found), default=1)
    if as_json:
        click.echo(msgspec.json.encode({"status": list(Level)[worst], "checks": found}))
    else:
        _show(patient, found)
    return int(list(Level)[worst] is Level.PROBLEM)


def _remove(patient: Patient, *, yes: bool, quiet: bool) -> bool:
    strays = [each.name for group in ward.of_gone_apps(patient).values() for each in group]
    if not strays:
        return True
    if patient.records and patient.records.recovery:
        click.echo("dockup: nothing is removed while recovery is needed; see: dockup recover", err=True)
        return False
    if not yes and not click.confirm(f"Remove {', '.join(strays)}?", err=True):
        return False
    names = asyncio.run(ward.remove(patient))
    if not quiet:
        click.echo(f"removed {', '.join(names)}")
    return True


def _show(patient: Patient, found: list[Finding]) -> None:
    console = Console(highlight=False)
    console.print(f"Dockup in {patient.home.root}")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before = ""
    for finding in found:
        name = "" if finding.check == before else finding.check
        do = f"\n[dim]→ {escape(finding.do)}[/]" if finding.do else ""
        table.add_row(name, _SIGNS[finding.level], escape(finding.text) + do)
        before = finding.check
    console.print(table)
    console.print(_summary(found))


def _summary(found: list[Finding]) -> str:
    counts = {level: sum(finding.level is level for finding in found) for level in Level}
    parts = [f"{counts[level]} {level}{'s' if counts[level] > 1 else ''}" for level in (Level.PROBLEM, Level.WARNING) if counts[level]]
    return ", ".join(parts) + "." if parts else "All is well."
