"""`dockup install`: settings of this shell go into `dockup.env`, and the machine starts Dockup at boot."""

import os

import typer

from libs.common.config import PREFIX
from libs.supervisor import unit
from libs.supervisor.home import LAUNCHER, Home, write_durably
from libs.supervisor.settings import find_home, read_env_file

_NOT_KEPT = frozenset({"DOCKUP_HOME", "DOCKUP_URL", "DOCKUP_TOKEN", "DOCKUP_BACKUP_KEY"})


def install() -> int:
    home = find_home()
    home.prepare()
    if kept := _keep_settings(home):
        typer.echo(f"kept in {home.settings_file}: {', '.join(kept)}")
    for line in unit.install(home, LAUNCHER):
        typer.echo(line)
    return 0


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
        added = "".join(f"{name}={text}\n" for name, text in new.items()).encode()
        write_durably(home.settings_file, before + (b"" if before.endswith(b"\n") or not before else b"\n") + added)
    return list(new)
