"""`dockup login` and `logout`: a server is kept with an API key for it, so that the other verbs ask that one."""

import contextlib
import os
import socket
import sys
from pathlib import Path

import click

from libs.cli import show
from libs.cli.apps.verb import Call, verb
from libs.cli.remote import login as kept
from libs.cli.remote.api import Api
from libs.cli.remote.errors import Json, Refused, Unreachable, VerbError
from libs.cli.remote.target import Target, local, normal


@verb
@click.argument("server", metavar="[URL]", required=False)
@click.option(
    "--email", metavar="EMAIL", help="Who logs in; asked for when left out. The password comes from DOCKUP_PASSWORD, or is asked for."
)
@click.option(
    "--ca", "authority", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Trust this certificate."
)
def login(call: Call, *, server: str | None, email: str | None, authority: Path | None) -> None:
    """Log in to a Dockup, this machine's when URL is left out; app verbs ask it from then on.

    With email and password an API key is made, which `dockup logout` deletes; --token KEY keeps one that is there.
    """
    target = _server(call, server, authority)
    # DOCKUP_TOKEN may be another server's.
    found = kept.Login(target.url, call.token, authority=target.authority) if call.token else _with_password(target, email)
    me = Api(Target(found.url, found.token, found.authority)).get("/auth/me")
    with contextlib.suppress(VerbError):
        _revoke(kept.load(os.environ))
    file = kept.keep(found, os.environ)
    if call.as_json:
        call.tell(me)
    else:
        show.echo(f"Logged in to {found.url} as {me['email']}, kept in {file}")


@verb
def logout(call: Call) -> None:
    """Forget the login, and delete the API key that it made."""
    found = kept.load(os.environ)
    if found is None:
        raise Unreachable("Nobody is logged in", hint="Log in with: dockup login URL")
    kept.forget(os.environ)
    _revoke(found)
    if call.as_json:
        call.tell({"url": found.url})
    else:
        show.echo(f"Logged out of {found.url}")


def _server(call: Call, server: str | None, authority: Path | None) -> Target:
    here = local(os.environ, os.geteuid())
    url = server or call.url or os.environ.get("DOCKUP_URL") or (here.url if here else "")
    if not url:
        raise click.UsageError("Say where: dockup login URL")
    trusted = authority.read_text(encoding="utf-8") if authority else here.authority if here else ""
    return Target(normal(url), "", trusted)


def _with_password(target: Target, email: str | None) -> kept.Login:
    password = os.environ.get("DOCKUP_PASSWORD")
    if not (email and password) and not sys.stdin.isatty():
        raise click.UsageError("Nobody is here to be asked: give --token KEY, or --email and DOCKUP_PASSWORD.")
    email = email or click.prompt("Email", err=True)
    password = password or click.prompt("Password", hide_input=True, err=True)
    session = Api(target).ask("POST", "/auth/login", {"email": email, "password": password}).json
    api = Api(target._replace(token=session["token"]))
    try:
        key = _key(api)
    finally:
        api.ask("POST", "/auth/logout")
    return kept.Login(target.url, key["key"], key["id"], target.authority)


def _key(api: Api) -> Json:
    """With all that the user may do."""
    scopes = api.get("/auth/me")["scopes"]
    name = f"dockup login on {socket.gethostname()}"[:100]
    made: Json = api.ask("POST", "/api-keys", {"name": name, "scopes": scopes[-1:]}).json
    return made


def _revoke(found: kept.Login | None) -> None:
    """The key that a login made. One that is gone already is as good as deleted."""
    if found is None or not found.key_id:
        return
    try:
        Api(Target(found.url, found.token, found.authority)).ask("DELETE", f"/api-keys/{found.key_id}")
    except Refused as refused:
        if refused.problem.get("code") not in {"not_found", "unauthenticated"}:
            raise
