"""Is Dockup there? Asked of the API's public status, with a plain HTTP client: the command line starts fast."""

import http.client
import json
from collections.abc import Callable, Iterable
from time import monotonic, sleep
from typing import Any

from libs.supervisor import logs
from libs.supervisor.home import Home
from libs.supervisor.problem import Problem

_PATH = "/api/v1/system/status"
_PAUSE = 0.1
_LAST_LINES = 5


def status(port: int, timeout: float = 3.0) -> dict[str, Any] | None:
    """What `GET /api/v1/system/status` says, or None when the API does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", _PATH)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer if response.status == http.HTTPStatus.OK and isinstance(answer, dict) else None


def unwell(answer: dict[str, Any] | None) -> list[str]:
    """Components that are not `ok` (or `standby`); the API itself when there is no answer."""
    if answer is None:
        return ["api"]
    components: dict[str, Any] = answer.get("components") or {}
    sick = [name for name, each in components.items() if each.get("status") not in {"ok", "standby"}]
    return sick + (["disk"] if _full(answer) else [])


def _full(answer: dict[str, Any]) -> str:
    """Which disk is full, as a sentence; empty when there is room."""
    for disk in answer.get("disks") or ():
        if disk["status"] == "full":
            return f"everything runs, and the disk ({', '.join(disk['places'])}) is {disk['used_percent']:g} % full: no new work is taken"
    return ""


def _waits_for_somebody(answer: dict[str, Any], sick: list[str]) -> str:
    """What no time will make well: somebody has to free space or to decide."""
    if sick == ["disk"]:
        return _full(answer)
    if sick != ["database"]:
        return ""
    detail = str(answer["components"]["database"].get("detail") or "")
    return detail if detail.startswith("recovery needed") else ""


def wait(home: Home, port: int, seconds: float, notice: Callable[[list[str]], None]) -> dict[str, Any]:
    """Wait until all is well and return the status; `Problem` names what is not, with the end of its log."""
    until = monotonic() + seconds
    before: list[str] = []
    while True:
        answer = status(port)
        if answer is not None and answer.get("status") == "ok":
            return answer
        if (sick := unwell(answer)) != before:
            notice(sick)
            before = sick
        if answer is not None and (words := _waits_for_somebody(answer, sick)):
            raise Problem(words)
        if monotonic() > until:
            raise Problem(_explain(home, sick, seconds))
        sleep(_PAUSE)


_LOG_OF = {"bus": "nats", "cache": "redis", "engine": "dockerd", "database": "api"}


def _explain(home: Home, sick: Iterable[str], seconds: float) -> str:
    parts = [f"not ready after {seconds:.0f} s; it goes on trying. Not well:"]
    for name in sick:
        log = home.log(_LOG_OF.get(name, name))
        parts.append(f"- {name}; its log: {log}")
        parts += [f"    {line}" for line in logs.tail(log, _LAST_LINES)]
    return "\n".join(parts)
