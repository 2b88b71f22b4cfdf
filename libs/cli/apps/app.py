"""`dockup apps`, `app` and `delete`: all there are, how one is in words, and away with it."""

import sys

import click

from libs.cli import show
from libs.cli.apps.condition import condition
from libs.cli.apps.following import what
from libs.cli.apps.verb import WAIT_SECONDS, Call, app_argument, path, verb, yes_option
from libs.cli.remote.errors import Failed, Json


@verb
def apps(call: Call) -> None:
    """Show the apps that you may see."""
    found = list(call.api.each("/apps"))
    if call.as_json:
        call.tell({"items": found, "next_cursor": None})
        return
    rows = [(each["slug"], _status(each), _replicas(each), each["url"], each["image"] or each["git_repo_url"]) for each in found]
    show.table(
        ("app", "status", "replicas", "address", "image"),
        rows,
        empty="There is no app yet. Make one: dockup deploy NAME --image IMAGE --create",
    )


@verb
@app_argument
def app_(call: Call, *, app: str) -> None:
    """Show how an app is: what runs, since when, what is wrong, and what to do next."""
    seen = call.api.get(path(app))
    if call.as_json:
        call.tell(seen)
        return
    newest = next(iter(call.api.get(path(app, "deployments"), limit=1)["items"]), None)
    current = seen["current_deployment_id"]
    live = newest if newest and newest["id"] == current else call.api.get(f"/deployments/{current}") if current else None
    found = condition(seen, newest)
    show.echo(f"{show.paint(seen['slug'], 'bold')} is {show.paint(found.words, found.colour)}")
    show.facts(
        [
            ("address", seen["url"]),
            ("domains", ", ".join(seen["domains"])),
            ("runs", _runs(live)),
            ("replicas", _replicas(seen) + _load(seen)),
            ("limits", _limits(seen)),
            ("newest", "" if newest is None or newest is live else f"deployment {newest['number']}, {what(newest)}: {newest['status']}"),
            ("waiting", f"{', '.join(seen['pending_fields'])}: live with the next deploy" if seen["pending_fields"] else ""),
        ]
    )
    for line in found.wrong:
        show.echo(show.paint(line, "red"))
    for line in found.next:
        show.echo(f"Next: {line}")


@verb
@app_argument
@click.option("--purge-volumes", is_flag=True, help="Destroy the data of its volumes too; else it is kept.")
@yes_option
def delete(call: Call, *, app: str, purge_volumes: bool, yes: bool) -> None:
    """Remove an app with its containers, routes and images."""
    confirm(f"Delete {app}{' and the data of its volumes' if purge_volumes else ''}?", yes=yes)
    answer = call.api.ask("DELETE", path(app), wait=WAIT_SECONDS, purge_volumes=purge_volumes or None).json
    if call.as_json:
        call.tell(answer)
    elif "deleted_at" in answer:
        show.echo(f"{app} is gone.")
    if "deleted_at" not in answer:
        raise Failed(f"{app} is still being removed after {WAIT_SECONDS} s", code="still_going")


def confirm(question: str, *, yes: bool) -> None:
    """Ask the person. A program has nobody to ask, and must say --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is here to be asked: say --yes.")
    if not click.confirm(question, err=True):
        sys.exit(1)


def _status(app: Json) -> str:
    words = f"{app['status']} ({app['status_reason']})" if app["status_reason"] else str(app["status"])
    return show.paint(words.replace("_", " "), condition(app, None).colour)


def _replicas(app: Json) -> str:
    return f"{app['current_replicas']} of {app['replicas']}"


def _load(app: Json) -> str:
    if app["memory_usage"] is None or not app["current_replicas"]:
        return ""
    stale = " (not of now: measuring is behind)" if app["stale"] else ""
    return f", {app['cpu_usage'] or 0:.1f} % of a core, {app['memory_usage']:.0f} MB{stale}"


def _limits(app: Json) -> str:
    cpu = "" if app["cpu_limit"] is None else f"{app['cpu_limit']:g} cores"
    memory = "" if app["memory_limit"] is None else f"{app['memory_limit']} MB"
    return ", ".join(part for part in (cpu, memory) if part) + (" a replica" if cpu or memory else "")


def _runs(live: Json | None) -> str:
    if live is None:
        return ""
    return f"deployment {live['number']}, {what(live)}, live since {show.clock(live['finished_at'])} ({show.ago(live['finished_at'])})"
