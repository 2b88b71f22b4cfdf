"""`dockup eject`: the Dockerfile that was written for an app whose source has none."""

from pathlib import Path

import click

from libs.cli import show
from libs.cli.apps.verb import Call, app_argument, path, verb
from libs.cli.remote.api import Api
from libs.cli.remote.errors import Failed, Refused

_LOOKED_AT = 50
"""How many deployments, from the newest on, are looked through."""
_NOT_FOUND = 404


@verb
@app_argument
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write it there; else it is printed.")
def eject(call: Call, *, app: str, output: Path | None) -> None:
    """Show the Dockerfile that was written for an app whose source has none."""
    deployments = call.api.get(path(app, "deployments"), limit=_LOOKED_AT)["items"]
    built = [each["id"] for each in deployments if each["source"] == "git"]
    found = next((text for each in built if (text := _dockerfile(call.api, each)) is not None), None)
    if found is None:
        raise Failed(f"No Dockerfile was written for {app}", "Its source has its own, or nothing was built yet", code="no_dockerfile")
    if output is not None:
        _write(output, found)
    if call.as_json:
        call.tell({"dockerfile": found})
    elif output is None:
        click.echo(found, nl=False)
    else:
        show.echo(f"{output} is written; commit it, and it is what is built from now on")


def _dockerfile(api: Api, deployment_id: str) -> str | None:
    try:
        return api.ask("GET", f"/deployments/{deployment_id}/dockerfile").body.decode("utf-8", errors="replace")
    except Refused as refused:
        if refused.status != _NOT_FOUND:
            raise
        return None


def _write(output: Path, text: str) -> None:
    """To a file that is not there yet."""
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failed(f"{output} cannot be written", f"{error.strerror}", code="not_written") from error
