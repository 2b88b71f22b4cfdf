"""`dockup env`: an app's environment variables."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import click

from libs.cli import show
from libs.cli.apps.files import text_of
from libs.cli.apps.following import finish
from libs.cli.apps.verb import Call, app_argument, path, verb, wait_option
from libs.cli.remote.api import Answer

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./•-]*")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Asked(NamedTuple):
    """`action` is `list`, `set` or `import`. A value of None removes the name; `source` is the file to import."""

    action: str
    values: dict[str, str | None] = {}  # noqa: RUF012 - never changed
    source: str = ""


@verb
@app_argument
@click.argument("words", nargs=-1, metavar="[list | set K=V … | unset K … | import FILE]")
@click.option("--reveal", is_flag=True, help="Show the values, which needs the scope write and is audited.")
@click.option("--replace", is_flag=True, help="With import: remove what the file does not name.")
@click.option("--deploy", "deploy_", is_flag=True, help="Deploy with the new values, and stay until it is live.")
@wait_option
def env(call: Call, *, app: str, words: Sequence[str], reveal: bool, replace: bool, deploy_: bool, wait: int) -> None:
    """Show or change an app's environment. `dockup env APP K=V` sets, as `set` does; import takes `-` for standard input.

    What is changed is in effect from the next deploy on.
    """
    asked = read(words)
    if asked.action == "list":
        _list(call, app, reveal=reveal)
        return
    deploy = deploy_ or None
    if asked.action == "set":
        answer = call.api.ask("PUT", path(app, "env"), asked.values, deploy=deploy)
    else:
        body = {"dotenv": text_of(asked.source), "replace": replace}
        answer = call.api.ask("POST", path(app, "env", "import"), body, deploy=deploy)
    _tell(call, app, answer, wait)


def read(words: Sequence[str]) -> Asked:
    """A usage error for what is not understood."""
    action, *rest = words or ("list",)
    if action == "list" and not rest:
        return Asked("list")
    if action == "import" and len(rest) == 1:
        return Asked("import", source=rest[0])
    if action == "unset" and rest:
        return Asked("set", dict.fromkeys(rest))
    pairs = rest if action == "set" else words
    if not pairs or not all("=" in pair for pair in pairs):
        raise click.UsageError(f"{' '.join(words)!r} is not understood: list, set K=V …, unset K … or import FILE.")
    return Asked("set", {name: value for name, _, value in (pair.partition("=") for pair in pairs)})


def dotenv(name: str, value: str) -> str:
    """A line of a .env file, quoted where it must be."""
    return f"{name}={value}" if _PLAIN.fullmatch(value) else f'{name}="{value.translate(_ESCAPES)}"'


def _list(call: Call, app: str, *, reveal: bool) -> None:
    found = call.api.get(path(app, "env"), reveal=reveal or None)
    if call.as_json:
        call.tell(found)
        return
    for name, value in found.items():
        show.echo(dotenv(name, value))


def _tell(call: Call, app: str, answer: Answer, wait: int) -> None:
    if location := answer.headers.get("location"):
        begun = call.api.get(location.removeprefix("/api/v1"))
        finish(call, app, begun, wait)
    elif call.as_json:
        call.tell(answer.json)
    elif call.api.get(path(app))["pending_changes"]:
        show.echo(f"Kept. In effect with the next deploy: dockup deploy {app}")
    else:
        show.echo("Kept.")
