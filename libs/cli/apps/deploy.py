"""`dockup deploy`, `rollback` and `deployments`: a release to its end, back to one before, and all there were."""

import os
from contextlib import ExitStack
from typing import Any

import click

from libs.cli import show
from libs.cli.apps.files import opened, text_of
from libs.cli.apps.following import finish, what
from libs.cli.apps.verb import Call, app_argument, path, verb, wait_option
from libs.cli.remote.api import part
from libs.cli.remote.errors import Json, Refused, missing

_NOT_FOUND = 404
_PROJECT = "Apps"


@verb
@click.argument("app", metavar="[APP]", required=False)
@click.argument("source", metavar="[FILE | -]", required=False)
@click.option("--image", metavar="REF", help="Deploy this image; it becomes the app's.")
@click.option("--ref", metavar="REF", help="Build this branch, tag or commit, this once.")
@click.option("--env-file", metavar="FILE", help="Merge the variables of this .env file first.")
@click.option("--create", "is_new", is_flag=True, help="Make the app, and its project, where they are missing.")
@click.option("--project", metavar="NAME", help=f"With --create: the project's name or id; {_PROJECT!r} when left out.")
@click.option("--git", metavar="REPO", help="With --create: build it from this repository, owner/repo or an https address.")
@click.option(
    "--port", metavar="PORT", type=click.IntRange(1, 65_535), help="With --create: where the app listens; else what the image says."
)
@wait_option
def deploy(
    call: Call,
    *,
    is_new: bool,
    app: str | None,
    source: str | None,
    image: str | None,
    ref: str | None,
    env_file: str | None,
    wait: int,
    **made: Any,  # noqa: ANN401 - click's
) -> None:
    """Deploy an app and stay until it is live: its newest image or commit, another image, or one of this machine.

    FILE is what `docker save` wrote; `-` reads it from standard input: docker save IMAGE | dockup deploy APP -

    APP may be left out where DOCKUP_APP names it.
    """
    app, source = named(app, source, os.environ.get("DOCKUP_APP"))
    if sum(given is not None for given in (source, image, ref)) > 1:
        raise click.UsageError("Only one of FILE, --image and --ref can be deployed.")
    if not is_new and any(value is not None for value in made.values()):
        raise click.UsageError("--project, --git and --port go with --create.")
    with ExitStack() as stack:
        archive = None if source is None else stack.enter_context(opened(source))
        dotenv = None if env_file is None else text_of(env_file)
        if is_new:
            _make(call, app, image=image, **made)
        if dotenv is not None:
            call.api.ask("POST", path(app, "env", "import"), {"dotenv": dotenv})
        held = wait if call.as_json else 0
        if archive is not None:
            answer = call.api.send("POST", path(app, "deploy"), archive, wait=held)
        else:
            answer = call.api.ask("POST", path(app, "deploy"), _given(image=image, ref=ref), wait=held)
    finish(call, app, answer.json, wait)


def named(app: str | None, source: str | None, usual: str | None) -> tuple[str, str | None]:
    """App and file. With `usual`, the one that the environment names, `-` alone is the file."""
    if app == "-" and source is None:
        app, source = None, "-"
    found = app or usual
    if not found:
        raise click.UsageError("Say which APP, or set DOCKUP_APP.")
    return found, source


def _given(**fields: object) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


@verb
@app_argument
@click.argument("deployment", metavar="[DEPLOYMENT]", required=False)
@wait_option
def rollback(call: Call, *, app: str, deployment: str | None, wait: int) -> None:
    """Go back to a deployment that was live, with its settings and env: the last one before, or the one with this number or id."""
    body = {} if deployment is None else {"deployment_id": _identity(call, app, deployment)}
    begun = call.api.ask("POST", path(app, "rollback"), body, wait=wait if call.as_json else 0).json
    finish(call, app, begun, wait)


@verb
@app_argument
@click.option("--limit", "-n", type=click.IntRange(1, 200), default=20, help="How many, from the newest on.")
def deployments(call: Call, *, app: str, limit: int) -> None:
    """Show the deployments of an app, the newest first."""
    page = call.api.get(path(app, "deployments"), limit=limit)
    if call.as_json:
        call.tell(page)
        return
    colours = {"live": "green", "failed": "red"}
    rows = [
        (each["number"], show.paint(each["status"], colours.get(each["status"])), show.ago(each["created_at"]), each["trigger"], what(each))
        for each in page["items"]
    ]
    show.table(("number", "status", "begun", "by", "what"), rows, empty=f"{app} was not deployed yet.")


def _make(call: Call, app: str, *, project: str | None, image: str | None, git: str | None, port: int | None) -> None:
    """The app with these settings; one that is there is given them."""
    settings = _given(git_repo_url=git, internal_port=port)
    try:
        call.api.get(path(app))
    except Refused as refused:
        if refused.status != _NOT_FOUND:
            raise
        place = f"/projects/{part(_project(call, project or _PROJECT))}/apps"
        call.api.ask("POST", place, {"name": app, "slug": app, **_given(image=image), **settings})
    else:
        if settings:
            call.api.ask("PUT", path(app), settings)


def _project(call: Call, name: str) -> str:
    for each in call.api.each("/projects"):
        if name in {each["id"], each["name"]}:
            return str(each["id"])
    return str(call.api.ask("POST", "/projects", {"name": name}).json["id"])


def _identity(call: Call, app: str, deployment: str) -> str:
    number = deployment.removeprefix("#")
    if not number.isdecimal():
        return deployment
    found = next((each["id"] for each in call.api.each(path(app, "deployments")) if each["number"] == int(number)), None)
    if found is None:
        raise missing(f"{app} has no deployment {number}", f"See which there are: dockup deployments {app}")
    return str(found)
