"""`dockup start`, `stop`, `restart`, `pause` and `unpause`."""

from libs.cli import show
from libs.cli.apps.verb import Call, app_argument, path, verb, wait_option
from libs.cli.remote.errors import Failed

_DONE = 200


@verb
@app_argument
@wait_option
def start(call: Call, *, app: str, wait: int) -> None:
    """Start an app that was stopped, or wake one that sleeps."""
    _do(call, app, "start", wait)


@verb
@app_argument
@wait_option
def stop(call: Call, *, app: str, wait: int) -> None:
    """Stop an app: what it is doing is brought to an end, then its containers go.

    `dockup down` stops Dockup itself.
    """
    _do(call, app, "stop", wait)


@verb
@app_argument
@wait_option
def restart(call: Call, *, app: str, wait: int) -> None:
    """Replace every replica by a new one of the same release, without downtime."""
    _do(call, app, "restart", wait)


@verb
@app_argument
@wait_option
def pause(call: Call, *, app: str, wait: int) -> None:
    """Freeze an app: open connections stand still, new requests are refused."""
    _do(call, app, "pause", wait)


@verb
@app_argument
@wait_option
def unpause(call: Call, *, app: str, wait: int) -> None:
    """Have a paused app go on where it stood."""
    _do(call, app, "unpause", wait)


def _do(call: Call, app: str, what: str, wait: int) -> None:
    answer = call.api.ask("POST", path(app, what), wait=wait)
    seen = answer.json
    if call.as_json:
        call.tell(seen)
    if wait and answer.status != _DONE:
        raise Failed(
            f"{app} is {seen['status']} after {wait} s",
            seen["status_detail"] or "",
            f"See how it goes: dockup app {app}",
            code="still_going",
        )
    if not call.as_json:
        detail = f": {seen['status_detail']}" if seen["status_detail"] else ""
        show.echo(f"{app} is {seen['status']}{detail}")
