"""`dockup volumes`: data that outlives containers."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from libs.cli import show
from libs.cli.apps.app import confirm
from libs.cli.apps.files import opened
from libs.cli.apps.verb import WAIT_SECONDS, Call, app_argument, path, verb, yes_option
from libs.cli.remote.errors import Failed, Json, missing

_USAGE = "[list | add NAME PATH | remove NAME | download NAME FILE | restore NAME FILE | backup NAME | backups NAME | forget NAME BACKUP]"
_COUNTS = {"list": 0, "add": 2, "remove": 1, "download": 2, "restore": 2, "backup": 1, "backups": 1, "forget": 2}


@verb
@app_argument
@click.argument("words", nargs=-1, metavar=_USAGE)
@click.option("--shared", is_flag=True, help="With add: several containers may have it at once.")
@click.option("--purge", is_flag=True, help="With remove: destroy the data, too; else it is kept.")
@yes_option
def volumes(call: Call, *, app: str, words: Sequence[str], shared: bool, purge: bool, yes: bool) -> None:
    """Show an app's volumes, have one mounted at PATH, let one go, take its data out as tar, put data in, back it up, or delete a BACKUP.

    FILE may be `-`. What is added or removed counts from the next deploy on.
    """
    action, *rest = words or ("list",)
    if _COUNTS.get(action) != len(rest):
        raise click.UsageError(f"{' '.join(words)!r} is not understood: {_USAGE}")
    if action == "list":
        _list(call, app)
    elif action == "add":
        made = call.api.ask("POST", path(app, "volumes"), {"name": rest[0], "mount_path": rest[1], "shared": shared}).json
        _tell(call, made, f"{made['name']} is mounted at {made['mount_path']} from the next deploy on: dockup deploy {app}")
    elif action == "remove":
        if purge:
            confirm(f"Destroy the data of {rest[0]}?", yes=yes)
        _remove(call, app, rest[0], purge=purge)
    else:
        if action == "forget":
            confirm(f"Delete the backup {rest[1]} of {rest[0]}?", yes=yes)
        _ON_DATA[action](call, app, *rest)


def _list(call: Call, app: str) -> None:
    found = list(call.api.each(path(app, "volumes")))
    if call.as_json:
        call.tell({"items": found, "next_cursor": None})
        return
    rows = [
        (each["name"], each["mount_path"], each["state"], show.size(each["size_bytes"]), show.ago(each["last_backup_at"])) for each in found
    ]
    show.table(
        ("volume", "mounted at", "state", "size", "backed up"),
        rows,
        empty=f"{app} has no volume. Give it one: dockup volumes {app} add NAME PATH",
    )


def _remove(call: Call, app: str, name: str, *, purge: bool) -> None:
    answer = call.api.ask("DELETE", path(app, "volumes"), wait=WAIT_SECONDS if purge else 0, name=name, purge=purge or None).json
    _tell(call, answer, f"{name} and its data are gone." if purge else f"{name} is not mounted from the next deploy on; its data is kept.")
    if purge and not answer.get("purged"):
        raise Failed(f"{name} is still being destroyed after {WAIT_SECONDS} s", code="still_going")


def _download(call: Call, app: str, name: str, target: str) -> None:
    place = path(app, "volumes", _identity(call, app, name), "archive")
    if target == "-":
        if sys.stdout.isatty():
            raise click.UsageError("A terminal cannot take a tar archive: name a FILE, or pipe it on.")
        call.api.fetch(place, sys.stdout.buffer)
        return
    draft = Path(f"{target}.{os.getpid()}.part")
    try:
        with draft.open("xb") as file:
            call.api.fetch(place, file)
        draft.replace(target)
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"{target} is written", err=True)


def _restore(call: Call, app: str, name: str, source: str) -> None:
    place = path(app, "volumes", _identity(call, app, name), "archive")
    with opened(source) as file:
        answer = call.api.send("PUT", place, file, wait=WAIT_SECONDS).json
    _tell(call, answer, f"{name} has the data of {source}.")


def _backup(call: Call, app: str, name: str) -> None:
    place = path(app, "volumes", _identity(call, app, name), "backups")
    _tell(call, call.api.ask("POST", place, wait=WAIT_SECONDS).json, f"{name} is backed up.")


def _backups(call: Call, app: str, name: str) -> None:
    page = call.api.get(path(app, "volumes", _identity(call, app, name), "backups"))
    if call.as_json:
        call.tell(page)
        return
    rows = [(each["name"], show.ago(each["at"]), show.size(each["size_bytes"])) for each in page["items"]]
    show.table(("backup", "made", "size"), rows, empty=f"{name} was not backed up yet: dockup volumes {app} backup {name}")


def _forget(call: Call, app: str, name: str, backup: str) -> None:
    call.api.ask("DELETE", path(app, "volumes", _identity(call, app, name), "backups", backup))
    _tell(call, {"deleted": backup}, f"The backup {backup} of {name} is gone.")


_ON_DATA: dict[str, Callable[..., None]] = {
    "download": _download,
    "restore": _restore,
    "backup": _backup,
    "backups": _backups,
    "forget": _forget,
}


def _identity(call: Call, app: str, name: str) -> str:
    found = next((each["id"] for each in call.api.each(path(app, "volumes")) if name in {each["name"], each["id"]}), None)
    if found is None:
        raise missing(f"{app} has no volume {name}", f"See which there are: dockup volumes {app}")
    return str(found)


def _tell(call: Call, answer: Json, words: str) -> None:
    if call.as_json:
        call.tell(answer)
    else:
        show.echo(words)
