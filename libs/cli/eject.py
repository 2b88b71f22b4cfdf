"""`dockup eject`: the Dockerfile that was written for an app whose source has none."""

from pathlib import Path
from urllib.parse import quote

import typer

from libs.cli import client
from libs.supervisor.problem import Problem

_LOOKED_AT = 50
"""How many deployments, from the newest on, are looked through."""


def eject(slug: str, output: Path | None) -> None:
    """Print it, or write it to `output`, which must not be there yet."""
    deployments = client.ask("GET", f"/apps/{quote(slug, safe='')}/deployments?limit={_LOOKED_AT}")["items"]
    built = [each["id"] for each in deployments if each["source"] == "git"]
    found = next((text for each in built if (text := client.text(f"/deployments/{each}/dockerfile")) is not None), None)
    if found is None:
        raise Problem(f"no Dockerfile was written for {slug}: its source has its own, or nothing was built yet")
    if output is None:
        typer.echo(found, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(found)
    except OSError as error:
        raise Problem(f"{output} cannot be written: {error.strerror}") from error
    typer.echo(f"{output} is written; commit it, and it is what is built from now on")
