"""`dockup recover`: how the database and what runs differ, and the two ways out."""

from typing import Any

from rich.console import Console
from rich.table import Table

from libs.cli.machine.client import ask

_PATH = "/system/recovery"
_WORDS = {
    "newer": "what runs is newer",
    "unknown": "runs, and the database never heard of it",
    "missing": "in the database, and the bus says that it went",
    "gone": "deleted in the database, and containers are there",
}


def recover(how: str | None) -> int:
    """Show the differences, or end recovery mode: `adopt` or `enforce`. Return the exit status: 1 while it has to be decided."""
    console = Console(highlight=False)
    if how is None:
        return _show(console, ask("GET", _PATH))
    ended = ask("POST", _PATH, {"mode": how})
    console.print(f"{'What runs' if how == 'adopt' else 'The database'} won; {len(ended['apps'])} apps differed.")
    _table(console, ended["apps"])
    return 0


def _show(console: Console, seen: dict[str, Any]) -> int:
    if not seen["needed"]:
        console.print("No recovery is needed.")
    else:
        console.print(f"Recovery is needed since {seen['since']}: {seen['reason']}")
    _table(console, seen["apps"])
    if seen["needed"] or seen["apps"]:
        console.print("dockup recover --adopt     what runs wins: the database is made as it is")
        console.print("dockup recover --enforce   the database wins: what runs is made as it says; what it does not know is removed")
    return int(seen["needed"])


def _table(console: Console, apps: list[dict[str, Any]]) -> None:
    if not apps:
        return
    table = Table("app", "difference", "release in the database", "release found", box=None, pad_edge=False)
    for one in apps:
        table.add_row(one["slug"], _WORDS[one["kind"]], _number(one["database_release"]), _number(one["found_release"]))
    console.print(table)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
