"""`dockup logs`: of an app, what its replicas wrote; without one, or of a service, this machine's log files."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from libs.cli import say, show
from libs.cli.apps.verb import Call, path, verb
from libs.cli.remote.api import Api
from libs.cli.remote.errors import Failed, Json, Refused, Unreachable, VerbError

SERVICES = ("api", "builder", "runtime", "metrics", "router", "nats", "redis", "supervisor", "dockerd")
_LINES = 100
_MOST = 10_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TRIES, _PAUSE = 20, 1.0
_REFUSED = 1008
_REMEMBERED = 2_000


@verb
@click.argument("name", metavar="[APP | SERVICE]", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option(
    "--tail",
    "--lines",
    "-n",
    type=click.IntRange(1, 100_000),
    default=_LINES,
    metavar="N",
    help=f"Lines of the past: {_LINES} unless said.",
)
@click.option("--since", metavar="TIME", help="Only from then on: 10m, 2h, 1d ago, or a time such as 2030-01-31T12:00:00Z. Of an app.")
@click.option("--replica", metavar="NAME", help="Only this replica. Of an app.")
@click.option("--process", metavar="NAME", help="Only replicas of this process, web or another. Of an app.")
@click.option("--deployment", metavar="ID", help="Only replicas of this deployment. Of an app.")
@click.option("--stream", type=click.Choice(("stdout", "stderr")), help="Only this stream. Of an app.")
@click.option("--app", "is_app", is_flag=True, help="NAME is an app, though a service is called so.")
def logs(call: Call, *, name: str | None, follow: bool, tail: int, is_app: bool, since: str | None, **narrow: str | None) -> int | None:
    """Show what an app wrote, or this machine's services (api, builder, runtime, metrics, router, nats, redis, supervisor, dockerd).

    Without a name: all services. A name that a service has means the service; --app means the app.
    """
    narrow = {"since": None if since is None else moment(since, datetime.now(UTC)), **narrow}
    if name is None or (name in SERVICES and not is_app):
        if is_app or call.as_json or any(narrow.values()):
            raise click.UsageError("That is for the log of an app: say which, with --app where a service is called so.")
        return _of_service(call, name, tail, follow=follow)
    if tail > _MOST:
        raise click.UsageError(f"An app gives at most {_MOST} lines of the past.")
    if not follow:
        _past(call, name, tail, narrow)
        return None
    if narrow["deployment"]:
        raise click.UsageError("--deployment goes without --follow: what a deployment wrote is there, what comes is of the one that runs.")
    with say.ended_at_once():
        for line in _stream(call.api, name, tail, narrow):
            _tell(call, line)
    return None


def _past(call: Call, app: str, tail: int, narrow: dict[str, Any]) -> None:
    found = call.api.get(path(app, "logs"), tail=tail, deployment_id=narrow["deployment"], **_asked(narrow))
    if found["truncated"]:
        click.echo("dockup: older lines were left out; fewer of them, or --replica, --stream and --since show those", err=True)
    for line in found["items"]:
        _tell(call, line)


def _asked(narrow: dict[str, Any]) -> dict[str, Any]:
    """What the log of the past and the one that is followed are narrowed to alike."""
    return {name: narrow.get(name) for name in ("since", "replica", "process", "stream")}


def moment(text: str, now: datetime) -> str:
    """RFC 3339, in UTC. A usage error for what is no time."""
    try:
        if text[-1:] in _UNITS and text[:-1].isdecimal():
            at = now - timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])
        else:
            at = datetime.fromisoformat(text)
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{text!r} is no time: 10m, 2h, 1d, or such as 2030-01-31T12:00:00Z.") from error


def _of_service(call: Call, name: str | None, tail: int, *, follow: bool) -> int:
    from libs.cli.machine.logs import logs as run  # noqa: PLC0415 - verbs import late

    if name is not None:
        _note_namesake(call, name)
    with say.plainly():
        return run(name, lines=tail, follow=follow)


def _note_namesake(call: Call, name: str) -> None:
    """Say so when an app has the name, too; a service's log is read where the API may be what is ill."""
    try:
        call.api.hurried().get(path(name))
    except VerbError:
        return
    click.echo(f"dockup: this is the service {name}; for the app of that name: dockup logs --app {name}", err=True)


def _stream(api: Api, app: str, tail: int, narrow: dict[str, Any]) -> Iterator[Json]:
    """Lines as they come, gone on with where the connection breaks. `VerbError` when it cannot go on."""
    query = {"tail": tail, **_asked(narrow)}
    said: deque[tuple[str, ...]] = deque(maxlen=_REMEMBERED)
    failed, began = 0, False
    while True:
        known = set(said)
        try:
            for line in _session(api, app, query):
                failed, began = 0, True
                if line is None:
                    continue
                if (key := _key(line)) not in known:
                    said.append(key)
                    yield line
                if "at" in line:
                    query |= {"since": line["at"], "tail": _MOST}
        except (Unreachable, Refused) as error:
            failed += 1
            if failed == _TRIES or not (began and (isinstance(error, Unreachable) or error.problem.get("retryable"))):
                raise
        time.sleep(_PAUSE)


def _session(api: Api, app: str, query: dict[str, Any]) -> Iterator[Json | None]:
    """None once it is open, then lines until it breaks. `Failed` when the server ends it for good: the token has ended, or the app."""
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - verbs import late

    from libs.cli.remote.sockets import opened  # noqa: PLC0415 - verbs import late

    try:
        with opened(api.target, path(app, "logs", "stream"), is_harmless=True, **query) as socket:
            yield None
            while True:
                yield json.loads(socket.recv())
    except ConnectionClosed as error:
        if error.rcvd is not None and error.rcvd.code == _REFUSED:
            raise Failed("The log ended", error.rcvd.reason.replace("_", " "), code=error.rcvd.reason) from error


def _key(line: Json) -> tuple[str, ...]:
    return tuple(map(str, line.values()))


def _tell(call: Call, line: Json) -> None:
    if call.as_json:
        call.tell(line)
    elif line.get("type") == "missed":
        print(f"dockup: {line['lines']} lines were left out: they came faster than they were read", file=sys.stderr)
    else:
        head = show.paint(f"{show.clock(line['at'])} {line['replica'].split('-', 2)[-1]}", "dim")
        show.echo(f"{head} {line['message']}")
