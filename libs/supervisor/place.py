"""Where the state folder is. Apart from `home`, which needs more to be imported than a verb that starts at once can wait for."""

from pathlib import Path


def default_home(uid: int, environ: dict[str, str]) -> Path:
    """Where the state lies when `DOCKUP_HOME` is not set."""
    if uid == 0:
        return Path("/var/lib/dockup")
    data = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local" / "share")
    return Path(data) / "dockup"
