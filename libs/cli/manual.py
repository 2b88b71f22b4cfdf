"""docs/cli.md: what the verbs themselves say, with what is true of all of them."""

import copy
from collections.abc import Iterator

import click

from libs.cli.__main__ import VERBS, main
from libs.cli.apps.verb import SHARED

_WIDTH = 110
_INTRODUCTION = """\
# The command line

Made from the verbs' own help by `just manual`; a test sees to it that it stays true.

```
dockup deploy demo --image nginx:alpine --port 80 --create      # project, app and address; stays until it is live
dockup app demo                                                 # how it is, what is wrong, what to do next
dockup logs demo -f
dockup env demo LOG_LEVEL=debug --deploy
dockup exec demo                                                # a shell; `-- COMMAND` runs one
docker save myapp:v2 | dockup deploy demo -                     # an image of this machine
```

## Whom it asks

The verbs for apps are thin clients of the HTTP API. They ask, and the first that is there counts:

1. `--api URL` with `--token KEY`, or `DOCKUP_URL` with `DOCKUP_TOKEN`. A token that is kept for one server is never sent to another.
2. The installation that `DOCKUP_HOME` names.
3. The server of `dockup login`, kept in `~/.config/dockup/login.json` for its owner alone.
4. This machine's Dockup, with the key in its `credentials.json`, over the loopback: also while the proxy is down.

Certificates are verified: against the system's authorities, this machine's own Dockup, and what `dockup login --ca FILE` was given.

## What it answers

People get words and tables, in colour on a terminal alone (`NO_COLOR` is heeded), where nothing that a log says does
more than colour. `--json` gives the API's own JSON on standard output, an object a line; problems are then JSON on standard error, with
`code` and `hint` as the API has them.

| exit status | means |
|---|---|
| 0 | Done. |
| 1 | It was begun and came to no good end: a deployment that failed, was cancelled or superseded, or is not over after `--wait`. |
| 2 | The command is not understood. |
| 3 | The API refused: no such app, no right, a conflict. |
| 4 | Nobody answered, or it is not known whom to ask or with which token. |
| 130 | Broken off with Ctrl-C. What was begun on the server goes on; `dockup run` cancels its run. |
| 141 | Whoever read the output went away, such as `head`. What was begun on the server goes on. |

`dockup exec` and `dockup run` end with the status of the command that they ran. The verbs of this machine's Dockup end with 1 when
something is wrong.

## What every verb for apps takes

```
{shared}
```
"""


def page() -> str:
    formatter = click.HelpFormatter(width=_WIDTH)
    context = click.Context(main)
    formatter.write_dl([record for option in SHARED if (record := option.get_help_record(context)) is not None])
    return "\n".join([_INTRODUCTION.replace("{shared}", formatter.getvalue().rstrip()), *_verbs()])


def _verbs() -> Iterator[str]:
    top = click.Context(main, info_name="dockup")
    for title, names in VERBS.items():
        yield f"## {title}\n"
        for name in names:
            command = main.get_command(top, name)
            if command is not None and not command.hidden:
                yield from _help(command, top, f"dockup {name}")


def _help(command: click.Command, parent: click.Context, title: str) -> Iterator[str]:
    context = command.make_context(command.name, [], parent=parent, resilient_parsing=True, max_content_width=_WIDTH, terminal_width=_WIDTH)
    own = copy.copy(command)
    own.params = [each for each in command.params if each not in SHARED]
    own.add_help_option = False
    yield f"### `{title}`\n\n```\n{own.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (inner := command.get_command(context, name)) is not None:
                yield from _help(inner, context, f"{title} {name}")
