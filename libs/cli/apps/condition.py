"""One pure function: from an app and its newest deployment to words on how it is, what is wrong, and what to do next."""

from typing import NamedTuple

from libs.cli.remote.errors import Json

_COLOURS = {"running": "green", "starting": "yellow", "restarting": "yellow", "paused": "yellow"}
_UNDER_WAY = frozenset({"queued", "building", "deploying"})
_CALM = frozenset({None, "stopped_by_user", "sleeping", "never_deployed", "deleting"})
"""Reasons of a status that nobody has to mend."""

_NEXT = {
    "never_deployed": "dockup deploy {slug}",
    "deploy_failed": "mend it, then: dockup deploy {slug}",
    "stopped_by_user": "dockup start {slug}",
    "sleeping": "open its address, or: dockup start {slug}",
    "crash_loop": "dockup logs {slug}, or back to what worked: dockup rollback {slug}",
    "unhealthy": "dockup logs {slug}",
    "engine_unreachable": "look at the server: dockup doctor",
}


class Condition(NamedTuple):
    words: str
    colour: str | None
    wrong: list[str]
    next: list[str]


def condition(app: Json, newest: Json | None) -> Condition:
    """`newest` is the deployment that was begun last, if any."""
    reason, slug = app["status_reason"], app["slug"]
    words = str(app["status"]) + (f": {app['status_detail']}" if app["status_detail"] else "")
    is_calm = reason in _CALM
    colour = _COLOURS.get(app["status"]) if is_calm else "red"
    steps = [_NEXT[reason].format(slug=slug)] if reason in _NEXT else []
    if app["status"] == "paused":
        steps.append(f"dockup unpause {slug}")
    wrong = _failure(newest)
    steps += _of_newest(slug, newest, is_told=bool(steps))
    if app["pending_fields"] and not steps:
        steps.append(f"dockup deploy {slug}")
    return Condition(words, colour, wrong, steps)


def _failure(newest: Json | None) -> list[str]:
    if newest is None or newest["status"] != "failed" or newest["failure"] is None:
        return []
    failure = newest["failure"]
    said = [f"Deployment {newest['number']} failed: {failure['message']} ({failure['code']})"]
    return [*said, *(f"  | {line}" for line in failure["evidence"][-5:]), *([f"  {failure['hint']}"] if failure["hint"] else [])]


def _of_newest(slug: str, newest: Json | None, *, is_told: bool) -> list[str]:
    if newest is None:
        return []
    if newest["status"] in _UNDER_WAY:
        return [f"deployment {newest['number']} is {newest['status']}; look again in a moment"]
    if newest["status"] == "failed" and not is_told:
        return [f"mend it, then: dockup deploy {slug} (what ran before goes on meanwhile)"]
    return []
