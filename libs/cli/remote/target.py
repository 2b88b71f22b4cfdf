"""Whom to ask, and as whom: what the command says, what the environment says, a login, or this machine's own Dockup."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from libs.cli.remote import login
from libs.cli.remote.errors import Unreachable
from libs.supervisor.place import default_home

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._:-]{1,253}")


class Target(NamedTuple):
    """`url` without a path. `authority` is a certificate as PEM that is trusted beside the system's."""

    url: str
    token: str
    authority: str = ""


class Local(NamedTuple):
    """This machine's Dockup. `url` is the public one, empty when it is not known; `api`, on the loopback, answers without the proxy."""

    url: str
    api: str
    token: str
    authority: str


def find(url: str | None, token: str | None, environ: Mapping[str, str], uid: int) -> Target:
    """`Unreachable` when nothing says whom to ask. A token that is kept for one server is never sent to another."""
    usual = environ.get("DOCKUP_URL")
    if not (url and usual and normal(url) != normal(usual)):
        token = token or environ.get("DOCKUP_TOKEN")
    token = _checked(token)
    url = url or usual
    kept = None if environ.get("DOCKUP_HOME") else login.load(environ)
    here = local(environ, uid)
    if url:
        return _named(normal(url), token, kept, here)
    if kept is not None:
        return Target(kept.url, token or kept.token, kept.authority)
    if here is None:
        root = _root(environ, uid)
        raise Unreachable(
            "It is not known which Dockup to ask",
            f"There is none in {root}, and nobody is logged in.",
            "Start one with: dockup up --detach, or log in to one with: dockup login URL",
        )
    if not (token or here.token):
        raise Unreachable(
            "There is no token", f"{_root(environ, uid) / 'credentials.json'} has no api_key.", "Set DOCKUP_TOKEN to an API key."
        )
    return Target(here.api, token or here.token)


def _checked(token: str | None) -> str | None:
    """Without the line's end that a file has."""
    stripped = (token or "").strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise Unreachable("That is no token", "It has characters that no token has.", "An API key looks like dkp_ and 43 characters.")
    return stripped or None


def _named(url: str, token: str | None, kept: login.Login | None, here: Local | None) -> Target:
    known = [each for each in (kept, here) if each is not None and url in {each.url, getattr(each, "api", None)}]
    found = token or next((each.token for each in known), "")
    if not found:
        raise Unreachable(
            "There is no token", f"None is known for {url}.", f"Set DOCKUP_TOKEN to an API key, or log in: dockup login {url}"
        )
    return Target(url, found, trusted(known, here))


def trusted(known: list[Any], here: Local | None) -> str:
    """The authority of a server that is known; else that of this machine, which signs for nobody but its own."""
    return next((each.authority for each in known if each.authority), here.authority if here else "")


def normal(url: str) -> str:
    """Scheme, host and port alone; `https` unless it says otherwise. `Unreachable` for what is no address of a server."""
    given = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        raise _no_address(url) from error
    path = parts.path.rstrip("/")
    if (
        parts.scheme not in _PORTS
        or not _HOST.fullmatch(parts.hostname or "")
        or parts.username
        or parts.query
        or path not in {"", "/api/v1"}
    ):
        raise _no_address(url)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, _PORTS[parts.scheme]} else "")


def _no_address(url: str) -> Unreachable:
    return Unreachable(
        "That is no address of a Dockup", f"{url!r} is not understood.", "It looks like https://dockup.example.com, with a port if need be."
    )


def local(environ: Mapping[str, str], uid: int) -> Local | None:
    """None when none was ever started here."""
    root = _root(environ, uid)
    state, credentials = _read(root / "state.json"), _read(root / "credentials.json")
    ports = state.get("ports") or {}
    if "api" not in ports:
        return None
    try:
        authority = (root / "router" / "ca" / "root.crt").read_text(encoding="ascii")
    except OSError:
        authority = ""
    return Local(str(credentials.get("url") or ""), f"http://127.0.0.1:{ports['api']}", str(credentials.get("api_key") or ""), authority)


def _root(environ: Mapping[str, str], uid: int) -> Path:
    root = environ.get("DOCKUP_HOME", "").strip()
    if root and not Path(root).is_absolute():
        raise Unreachable("It is not known which Dockup to ask", f"DOCKUP_HOME: {root!r} is no absolute path.", "Give it one that is.")
    return Path(root) if root else default_home(uid, dict(environ))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise Unreachable(
            "This machine's Dockup cannot be asked", f"{path}: {error}.", "Run it as the user whose Dockup it is, or set DOCKUP_URL."
        ) from error
    return found if isinstance(found, dict) else {}
