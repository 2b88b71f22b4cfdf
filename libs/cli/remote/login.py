"""The login that `dockup login` keeps: one server, the token for it, and whom to trust there."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from libs.cli.remote.errors import Unreachable


class Login(NamedTuple):
    """`key_id` is that of the API key behind `token` when the login made it; `authority` a certificate as PEM, or nothing."""

    url: str
    token: str
    key_id: str = ""
    authority: str = ""


def file_of(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    return Path(base) / "dockup" / "login.json"


def load(environ: Mapping[str, str]) -> Login | None:
    path = file_of(environ)
    try:
        return Login(**json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise Unreachable("The kept login cannot be read", f"{path}: {error}.", f"Remove {path} and log in again: dockup login") from error


def keep(login: Login, environ: Mapping[str, str]) -> Path:
    """For the owner's eyes alone, all or nothing."""
    path = file_of(environ)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a life before, with who knows which mode
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(login._asdict(), file, indent=2)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def forget(environ: Mapping[str, str]) -> None:
    file_of(environ).unlink(missing_ok=True)
