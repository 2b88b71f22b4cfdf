"""The `dockup` command: a table of verbs, each imported when it is used."""

import importlib

import click

_APPS, _MACHINE = "Apps, here or on another server", "This machine's Dockup"
_OF_MACHINE = (
    "up",
    "down",
    "status",
    "doctor",
    "install",
    "upgrade",
    "backup",
    "restore",
    "recover",
    "secrets",
    "test",
    "version",
    "schema",
)
VERBS = {
    _APPS: {
        "login": "apps.login",
        "logout": "apps.login",
        "apps": "apps.app",
        "app": "apps.app",
        "deploy": "apps.deploy",
        "deployments": "apps.deploy",
        "rollback": "apps.deploy",
        "logs": "apps.logs",
        "events": "apps.events",
        "exec": "apps.exec",
        "run": "apps.run",
        "env": "apps.env",
        "scale": "apps.scale",
        "start": "apps.lifecycle",
        "stop": "apps.lifecycle",
        "restart": "apps.lifecycle",
        "pause": "apps.lifecycle",
        "unpause": "apps.lifecycle",
        "domains": "apps.domains",
        "volumes": "apps.volumes",
        "eject": "apps.eject",
        "delete": "apps.app",
    },
    _MACHINE: dict.fromkeys(_OF_MACHINE, "machine.commands"),
}
_LONGEST = 300
_TRAILING = frozenset({"app", "exec"})
"""Verbs whose functions would hide a name, and have a line under theirs."""


class Verbs(click.Group):
    """Finds a verb in the table; the help shows them by what they are about."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for verbs in VERBS.values() for name in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = next((verbs[cmd_name] for verbs in VERBS.values() if cmd_name in verbs), None)
        if module is None:
            return None
        name = f"{cmd_name}_" if cmd_name in _TRAILING else cmd_name
        found: click.Command = getattr(importlib.import_module(f"libs.cli.{module}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in VERBS.items():
            commands = [command for name in names if (command := self.get_command(ctx, name)) and not command.hidden]
            with formatter.section(title):
                formatter.write_dl([(str(command.name), command.get_short_help_str(_LONGEST)) for command in commands])


@click.group(cls=Verbs, no_args_is_help=True, context_settings={"max_content_width": 110, "help_option_names": ["--help", "-h"]})
def main() -> None:
    """A self-hosted container PaaS.

    `dockup VERB --help` says more of each. docs/cli.md has all of it, and the exit statuses.
    """


if __name__ == "__main__":
    main(prog_name="dockup")
