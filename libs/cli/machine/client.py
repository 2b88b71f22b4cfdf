"""The API as the command line asks it: on the loopback, with the key of `credentials.json`."""

import http.client
import json
import os
from typing import Any

import msgspec

from libs.supervisor.home import Home
from libs.supervisor.problem import Problem
from libs.supervisor.settings import find_home

_TIMEOUT = 120.0


def ask(method: str, path: str, body: object = None, *, timeout: float = _TIMEOUT) -> dict[str, Any]:
    """Ask `/api/v1` of this machine's Dockup; `Problem` says what it refused and what to do next. `timeout` in seconds."""
    status, answered = _request(method, path, None if body is None else msgspec.json.encode(body), timeout)
    try:
        answer = json.loads(answered or b"{}")
    except ValueError as error:
        raise Problem(f"the API does not answer ({error}); see: dockup status") from error
    if status >= http.HTTPStatus.BAD_REQUEST:
        raise Problem(f"{answer.get('detail')} ({answer.get('code')})\n{answer.get('hint')}")
    return dict(answer)


def _request(method: str, path: str, body: bytes | None, timeout: float) -> tuple[int, bytes]:
    home = find_home()
    state = home.load() if home.state_file.exists() else None
    if state is None or state.ports is None:
        raise Problem(f"there is no Dockup in {home.root}; start one with: dockup up --detach")
    connection = http.client.HTTPConnection("127.0.0.1", state.ports.api, timeout=timeout)
    headers = {"Authorization": f"Bearer {_token(home)}", "Content-Type": "application/json"}
    try:
        connection.request(method, f"/api/v1{path}", body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Problem(f"the API does not answer ({error}); see: dockup status") from error
    finally:
        connection.close()


def every(path: str) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = ask("GET", f"{path}?limit=200{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _token(home: Home) -> str:
    if token := os.environ.get("DOCKUP_TOKEN"):
        return token
    try:
        return str(json.loads(home.credentials.read_bytes())["api_key"])
    except (OSError, ValueError, KeyError) as error:
        raise Problem(f"{home.credentials} has no api_key; set DOCKUP_TOKEN to an admin's API key") from error
