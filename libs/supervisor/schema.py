"""The database's schema as the supervisor needs to know it: what it is, what this version makes of it, and the way between."""

import importlib
from collections.abc import Mapping
from typing import Any

from libs.common.config import load
from libs.supervisor import settings
from libs.supervisor.home import Home, State


def newest() -> str:
    """What this version's API migrates to."""
    return str(_migrations().HEAD)


def refuse_newer(home: Home, state: State, environ: Mapping[str, str]) -> None:
    """A plain sentence, as a `DockupError`, where a newer Dockup has migrated the database."""
    if environ.get("DOCKUP_DATABASE_URL") or (home.root / "api" / "dockup.db").exists():
        _migrations().refuse_newer(_url(home, state, environ))


def found(home: Home) -> str | None:
    """The database's revision; None where it is empty or does not answer."""
    seen: str | None = _migrations().found(_url(home, home.load(), settings.environment(home)))
    return seen


def bring(home: Home, revision: str) -> str | None:
    """Migrate to `revision`, up or down; return what it was. Nothing of Dockup may use the database meanwhile."""
    (home.root / "api").mkdir(mode=0o700, exist_ok=True)
    found: str | None = _migrations().bring(_url(home, home.load(), settings.environment(home)), revision)
    return found


def _url(home: Home, state: State, environ: Mapping[str, str]) -> str:
    kind: Any = settings.service_settings("api")
    return str(load(kind, settings.service_environment("api", home, state, environ)).database)


def _migrations() -> Any:  # noqa: ANN401 - a module of a service, which this one imports by name alone
    return importlib.import_module("services.api.db.migrate")
