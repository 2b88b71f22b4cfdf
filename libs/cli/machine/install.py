"""`dockup install`: settings of this shell go into `dockup.env`, and the machine starts Dockup at boot."""

import os

import click

from libs.common.config import PREFIX
from libs.supervisor import unit
from libs.supervisor.home import LAUNCHER, Home, write_durably
from libs.supervisor.settings import OF_THE_COMMAND_LINE, check, env_line, environment, find_home, read_env_file, settings_of

_NOT_KEPT = OF_THE_COMMAND_LINE | {"DOCKUP_HOME"}


def install() -> int:
    home = find_home()
    home.prepare()
    _check(home)
    if kept := _keep_settings(home):
        click.echo(f"kept in {home.settings_file}: {', '.join(kept)}")
    for line in unit.install(home, LAUNCHER):
        click.echo(line)
    return 0


def _check(home: Home) -> None:
    """A wrong setting that is kept would stop every start from then on."""
    environ = environment(home)
    settings_of(environ)
    if home.state_file.exists() and (state := home.load()).ports is not None:
        check(home, state, environ)


def _keep_settings(home: Home) -> list[str]:
    """A reboot has no shell: what is set here alone would be lost."""
    known = read_env_file(home.settings_file)
    new = {
        name: text
        for name, text in sorted(os.environ.items())
        if name.startswith(PREFIX) and name not in _NOT_KEPT and text and known.get(name) != text
    }
    if new:
        before = home.settings_file.read_bytes() if home.settings_file.exists() else b""
        added = "".join(env_line(name, text) for name, text in new.items()).encode()
        write_durably(home.settings_file, before + (b"" if before.endswith(b"\n") or not before else b"\n") + added)
    return list(new)
