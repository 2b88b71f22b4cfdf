"""`dockup run`: a one-off command in a fresh container; its log as it is written, and its exit code."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence

import click

from libs.cli import show
from libs.cli.apps.verb import Call, app_argument, path, verb
from libs.cli.remote.errors import Failed, Json

_OPEN = frozenset({"queued", "running"})
_LINES = 10_000
_SOON, _LATE = 0.1, 1.0
_BROKEN_OFF = 130
Line = tuple[str, str, str]


@verb
@app_argument
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND …")
@click.option("--timeout", type=click.IntRange(1, 86_400), metavar="SECONDS", help="End it then; an hour when left out.")
@click.option("--detach", "-d", is_flag=True, help="Begin it and return; its id is printed.")
def run(call: Call, *, app: str, command: Sequence[str], timeout: int | None, detach: bool) -> int:
    """Run a command once, in a fresh container with the app's image, env and volumes. Exit status: the command's.

    A single argument is split into words as a shell would. Ctrl-C cancels it.
    """
    body: Json = {
        "command": command[0] if len(command) == 1 else list(command),
        **({} if timeout is None else {"timeout_seconds": timeout}),
    }
    begun = call.api.ask("POST", path(app, "runs"), body).json
    if detach:
        call.tell(begun) if call.as_json else show.echo(begun["id"])
        return 0
    try:
        ended = _follow(call, app, begun["id"])
    except KeyboardInterrupt:
        call.api.ask("POST", path(app, "runs", begun["id"], "cancel"))
        click.echo(f"dockup: {begun['id']} is being cancelled", err=True)
        return _BROKEN_OFF
    if call.as_json:
        call.tell(ended)
    return status_of(ended)


def status_of(ended: Json) -> int:
    """The command's exit code. `Failed` where it has none of its own, or was not let to its end."""
    if ended["status"] == "succeeded":
        return 0
    if ended["status"] == "failed" and ended["exit_code"]:
        return int(ended["exit_code"])
    failure = ended["failure"] or {}
    title = f"The command {ended['status'].replace('_', ' ')}"
    raise Failed(title, failure.get("message", ""), failure.get("hint", ""), code=str(failure.get("code", ended["status"])))


def _follow(call: Call, app: str, run_id: str) -> Json:
    """Print what it writes until it has ended; a program gets that with `dockup run --json` from the API alone."""
    at, seen = path(app, "runs", run_id), Counter[Line]()
    pause = _SOON
    while True:
        found = call.api.get(at)
        is_over = found["status"] not in _OPEN
        lines = [] if call.as_json else _lines(call, at)
        fresh = new_lines(lines, seen)
        if seen and len(fresh) == len(lines):
            click.echo("dockup: lines were left out: they came faster than they were read", err=True)
        seen = Counter(lines)
        for _, stream, message in fresh:
            show.echo(message, err=stream == "stderr")
        if is_over:
            return found
        pause = _SOON if fresh else min(_LATE, pause * 1.5)
        time.sleep(pause)


def _lines(call: Call, at: str) -> list[Line]:
    items = call.api.get(f"{at}/logs", tail=_LINES)["items"]
    return [(each["at"], each["stream"], each["message"]) for each in items]


def new_lines(lines: Iterable[Line], seen: Counter[Line]) -> list[Line]:
    """Those that were not there at the last look; two streams may come in late, and equal lines are told by how many."""
    left, fresh = Counter(seen), []
    for line in lines:
        if left[line] > 0:
            left[line] -= 1
        else:
            fresh.append(line)
    return fresh
