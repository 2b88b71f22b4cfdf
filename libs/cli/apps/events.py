"""`dockup events`: what happened, and what happens."""

from collections import deque

import click

from libs.cli import show
from libs.cli.apps.verb import Call, path, verb
from libs.cli.remote.errors import Json

_COLOURS = {"error": "red", "warning": "yellow"}


@verb
@click.argument("app", metavar="[APP]", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option("--tail", "-n", type=click.IntRange(0, 10_000), default=20, metavar="N", help="How many of the past: 20 when left out.")
def events(call: Call, *, app: str | None, follow: bool, tail: int) -> None:
    """Show what happened to an app, or to all that you may see. With --json an event a line."""
    place = "/events" if app is None else path(app, "events")
    last, after = deque[Json](maxlen=tail), 0
    while page := call.api.get(place, after=after, limit=200):
        last.extend(page["items"])
        after = page["next_after"]
        if not page["items"]:
            break
    for event in last:
        _tell(call, event)
    if follow:
        for _, event in call.api.listen(place, after=after):
            _tell(call, event)


def _tell(call: Call, event: Json) -> None:
    if call.as_json:
        call.tell(event)
        return
    kind = show.paint(event["type"].ljust(24), _COLOURS.get(event["level"], "dim"))
    show.echo(f"{show.clock(event['at'])}  {kind}  {event['message']}")
