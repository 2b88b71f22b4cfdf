"""To stay with a deployment until it has ended: its log as it is written, then how it ended."""

import time
from collections import deque
from collections.abc import Collection

import click

from libs.cli import show
from libs.cli.apps.verb import Call
from libs.cli.remote.api import Api
from libs.cli.remote.errors import Failed, Json

ENDED = frozenset({"live", "failed", "cancelled", "superseded"})
_REMEMBERED = 200
_SOON, _LATE = 0.1, 1.0


def finish(call: Call, app: str, begun: Json, wait: int) -> None:
    """Stay with what was begun, `wait` seconds at most. `Failed` unless it is live then; 0 stays for nothing.

    People see what happens; a program gets the deployment.
    """
    if not call.as_json:
        _follow(call, app, begun, wait)
        return
    deployment = _ended(call.api, begun["id"], time.monotonic() + wait) if wait else begun
    call.tell(deployment)
    if wait:
        judge(deployment, app)


def _follow(call: Call, app: str, begun: Json, wait: int) -> None:
    number = begun["number"]
    show.echo(f"Deployment {number} of {app}: {what(begun)}")
    if wait == 0:
        show.echo(f"It is {begun['status']}. See how it goes: dockup app {app}")
        return
    end = time.monotonic() + wait
    try:
        said = _log(call.api, begun["id"], wait)
        deployment = _ended(call.api, begun["id"], end)
    except KeyboardInterrupt:
        click.echo(f"dockup: deployment {number} goes on; see how: dockup app {app}", err=True)
        raise
    judge(deployment, app, said)
    show.echo(f"{show.paint('Live', 'green')} in {show.seconds(deployment['duration_ms'])}: {deployment['url']}")


def judge(deployment: Json, app: str, said: Collection[str] = ()) -> None:
    """`Failed` for a deployment that is not live. The evidence is left out where it was `said` already."""
    if deployment["status"] == "live":
        return
    if deployment["status"] not in ENDED:
        title = f"Deployment {deployment['number']} is still {deployment['status']}"
        raise Failed(title, hint=f"It goes on. See how: dockup app {app}", code="still_going")
    title = f"Deployment {deployment['number']} {_ENDS[deployment['status']]}"
    failure = deployment["failure"]
    if failure is None:
        raise Failed(title, hint=f"See what runs: dockup app {app}", code=f"deployment_{deployment['status']}")
    evidence = [line for line in failure["evidence"] if line not in said]
    raise Failed(title, failure["message"], failure["hint"], code=failure["code"], evidence=evidence)


_ENDS = {"failed": "failed", "cancelled": "was cancelled", "superseded": "was superseded by a newer one"}


def what(deployment: Json) -> str:
    """What is deployed, in a few words."""
    if deployment["commit"]:
        subject = (deployment["commit_message"] or "").partition("\n")[0]
        return f"{deployment['commit'][:12]} {subject}".rstrip()
    if deployment["source"] == "upload":
        return "an uploaded image"
    return str(deployment["image"] or deployment["ref"] or deployment["source"])


def _log(api: Api, deployment_id: str, wait: int) -> "deque[str]":
    """Print the log until it ends; return its last lines."""
    said: deque[str] = deque(maxlen=_REMEMBERED)
    for name, entry in api.listen(f"/deployments/{deployment_id}/logs", seconds=wait):
        if name == "log":
            said.append(entry["message"])
            show.echo(show.paint(f"  {entry['message']}", "dim"))
    return said


def _ended(api: Api, deployment_id: str, end: float) -> Json:
    """The deployment as it is when it has ended, or at `end`: the log's end may be read a moment before it."""
    pause = _SOON
    while True:
        deployment = api.get(f"/deployments/{deployment_id}")
        if deployment["status"] in ENDED or time.monotonic() >= end:
            return deployment
        time.sleep(pause)
        pause = min(_LATE, pause * 1.5)
