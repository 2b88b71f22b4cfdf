"""A verb that asks the API: a click command with the options that all of them have."""

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from libs.cli import say
from libs.cli.remote.api import Api, part
from libs.cli.remote.target import find

WAIT_SECONDS = 600
_WIDTH = 110
SHARED = (
    click.Option(["--json", "as_json"], is_flag=True, help="The API's own JSON, for a program; problems as JSON on standard error."),
    click.Option(["--api", "url"], metavar="URL", help="The Dockup to ask; else DOCKUP_URL, a login, this machine's own."),
    click.Option(["--token"], metavar="KEY", help="An API key; else DOCKUP_TOKEN, which the list of processes does not show."),
)
app_argument = click.argument("app", metavar="APP")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
wait_option = click.option(
    "--wait",
    type=click.IntRange(0, WAIT_SECONDS),
    default=WAIT_SECONDS,
    metavar="SECONDS",
    help=f"How long to stay for the end: {WAIT_SECONDS} s when left out; 0 returns at once.",
)


class Call:
    """One use of a verb: whom it asks, and whether a program reads the answer. `url` and `token` are what its options say."""

    def __init__(self, url: str | None, token: str | None, *, as_json: bool) -> None:
        self.url = url
        self.token = token
        self.as_json = as_json

    @functools.cached_property
    def api(self) -> Api:
        """`Unreachable` when it is not known whom to ask."""
        return Api(find(self.url, self.token, os.environ, os.geteuid()))

    def tell(self, answer: object) -> None:
        """The API's own words, for a program; on one line, as each of a stream is."""
        click.echo(json.dumps(answer, ensure_ascii=False))


Verb = Callable[..., int | None]


def verb(function: Verb) -> click.Command:
    """Its docstring is the help. It is called with a `Call` and its own parameters, and gives the exit status, None for 0."""

    @functools.wraps(function)
    def run(url: str | None, token: str | None, *, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - click's
        with say.refusals(as_json=as_json):
            status = function(Call(url, token, as_json=as_json), **given) or 0
            sys.stdout.flush()
        sys.exit(status)

    own: list[click.Parameter] = getattr(function, "__click_params__", [])
    name = function.__name__.rstrip("_").replace("_", "-")
    settings = {"max_content_width": _WIDTH}
    return click.Command(name, callback=run, params=[*reversed(own), *SHARED], help=function.__doc__, context_settings=settings)


def path(app: str, *further: str) -> str:
    """Of an app's own routes."""
    return "/".join(["/apps", part(app), *further])
