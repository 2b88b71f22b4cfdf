"""`dockup exec`: a shell or a program in a replica that runs, as if it ran here."""

import json
import shlex
import sys
from collections.abc import Sequence

import click

from libs.cli.apps.verb import Call, app_argument, path, verb
from libs.cli.remote.errors import Failed, Json

_SHELL = "/bin/sh"


@verb
@app_argument
@click.argument("command", nargs=-1, metavar="[-- COMMAND …]")
@click.option("--tty/--no-tty", "-t/-T", default=None, help="With a terminal, or with plain pipes; else a terminal where this is one.")
@click.option("--replica", metavar="NAME", help="In this replica, by the name that logs give it; else in one that serves.")
@click.option("--process", metavar="NAME", help="In a replica of this process; else of web.")
def exec_(call: Call, *, app: str, command: Sequence[str], tty: bool | None, replica: str | None, process: str | None) -> int:
    """Run a command in a replica that runs, a shell when none is given. Exit status: the command's."""
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - verbs import late

    from libs.cli.apps.terminal import attached  # noqa: PLC0415 - verbs import late
    from libs.cli.remote.sockets import opened  # noqa: PLC0415 - verbs import late

    if call.as_json:
        raise click.UsageError("exec has no JSON: what the command writes is passed on.")
    with_tty = sys.stdin.isatty() and sys.stdout.isatty() if tty is None else tty
    words = shlex.join(command) if command else _SHELL
    asked = {"cmd": words, "tty": str(with_tty).lower(), "replica": replica, "process": process}
    with opened(call.api.target, path(app, "exec"), is_harmless=not command, **asked) as socket:
        try:
            with attached(socket, tty=with_tty):
                while True:
                    message = socket.recv()
                    if isinstance(message, bytes):
                        _write(message)
                    elif (frame := json.loads(message))["type"] == "stderr":
                        print(frame["data"], end="", file=sys.stderr, flush=True)
                    elif frame["type"] == "exit":
                        return status_of(frame)
        except ConnectionClosed as error:
            raise Failed("The session ended", f"the connection broke off ({error})", code="connection_lost") from error


def status_of(frame: Json) -> int:
    """The command's exit code. `Failed` where it was not the command that ended the session."""
    if frame["code"] is not None and "reason" not in frame:
        return int(frame["code"])
    reason = str(frame.get("reason") or "").replace("_", " ")
    raise Failed("The session ended", frame.get("detail") or reason, code=frame.get("reason") or "failed")


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
