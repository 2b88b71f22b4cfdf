"""`dockup domains`: the names that an app answers to."""

import click

from libs.cli import show
from libs.cli.apps.verb import Call, app_argument, path, verb
from libs.cli.remote.api import part
from libs.cli.remote.errors import Json

_ACTIONS = ("list", "add", "remove", "check")


@verb
@app_argument
@click.argument("action", type=click.Choice(_ACTIONS), default="list", metavar="[list | add HOST | remove HOST | check HOST]")
@click.argument("host", required=False, metavar="")
def domains(call: Call, *, app: str, action: str, host: str | None) -> None:
    """Show an app's domains, give it one, take one away, or ask DNS again."""
    if (host is None) != (action == "list"):
        raise click.UsageError(f"{action} takes no HOST." if host else f"Say which HOST to {action}.")
    name = part(host or "")
    if action == "list":
        _list(call, app)
    elif action == "remove":
        call.api.ask("DELETE", path(app, "domains", name))
        if not call.as_json:
            show.echo(f"{host} does not lead to {app} any more.")
    else:
        where = path(app, "domains") if action == "add" else path(app, "domains", name, "check")
        _tell(call, call.api.ask("POST", where, {"name": host} if action == "add" else None).json)


def _list(call: Call, app: str) -> None:
    found = list(call.api.each(path(app, "domains")))
    if call.as_json:
        call.tell({"items": found, "next_cursor": None})
        return
    rows = [
        (each["name"], each["status"], each["certificate"]["status"], ", ".join(each["dns"]["found"]) or each["dns"]["error"])
        for each in found
    ]
    show.table(
        ("domain", "status", "certificate", "DNS leads to"),
        rows,
        empty=f"{app} has no domain of its own. Give it one: dockup domains {app} add HOST",
    )


def _tell(call: Call, domain: Json) -> None:
    if call.as_json:
        call.tell(domain)
        return
    dns, certificate, proof = domain["dns"], domain["certificate"], domain["verification"]
    show.echo(f"{domain['name']} is {domain['status']}")
    show.facts(
        [
            ("DNS leads to", ", ".join(dns["found"]) or dns["error"] or "nothing"),
            ("certificate", certificate["status"] + (f": {certificate['error']}" if certificate["error"] else "")),
        ]
    )
    if domain["status"] == "pending":
        show.echo(f"Next: make it lead to {' or '.join(dns['expected']) or 'this server'}, or prove that it is yours with the record")
        show.echo(f"      {proof['name']}  {proof['type']}  {proof['value']}")
        show.echo("      DNS is asked again by itself.")
