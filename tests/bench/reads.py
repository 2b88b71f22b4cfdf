"""One app and a list of 50, in requests a second, beside a hello behind the same middleware on the same server."""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from libs.supervisor import settings
from tests.bench import server
from tests.bench.results import ROOT, Figures
from tests.servers.ports import free_port
from tests.stack import Stack

APPS = 50
_SECONDS, _CONNECTIONS, _ROUNDS = 4, 32, 3
_START_SECONDS = 90.0
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)")


async def measure(stack: Stack, _rounds: int) -> Figures:
    async with stack.client() as api:
        await _make_apps(api)
        await _quiet(api)
        async with _server(stack) as port:
            paths = {"hello": "/hello", "app": "/apps/bench-read-0", "list": f"/apps?limit={APPS}"}
            rates: dict[str, list[float]] = {name: [] for name in paths}
            for _ in range(_ROUNDS):
                for name, path in paths.items():
                    rates[name].append(await _wrk(f"http://127.0.0.1:{port}/api/v1{path}", stack.credentials["api_key"]))
            revoked = await _answers_after_revoking(api, port)
    hello, app, page = (statistics.median(rates[name]) for name in ("hello", "app", "list"))
    return {
        "connections": _CONNECTIONS,
        "hello requests/s": round(hello),
        "one app requests/s": round(app),
        f"{APPS} apps requests/s": round(page),
        "one app / hello (at least 0.5)": round(app / hello, 3),
        f"{APPS} apps / hello (at least 0.25)": round(page / hello, 3),
        "answers of a revoked key after the revoking one (0)": revoked,
        "samples": rates,
    }


async def _make_apps(api: httpx.AsyncClient) -> None:
    project = (await api.post("/projects", json={"name": "bench reads"})).json()["id"]
    have = len((await api.get("/apps", params={"limit": 200})).json()["items"])
    for number in range(max(0, APPS - have) or 1):
        body = {"name": f"app {number}", "slug": f"bench-read-{number}", "image": "nginx:alpine", "env": {"A": "1", "B": "2"}}
        answer = await api.post(f"/projects/{project}/apps", json=body)
        assert answer.status_code == 201, answer.text


async def _quiet(api: httpx.AsyncClient) -> None:
    """Wait until no event has come for three seconds: what 50 new apps set going is over."""
    after = 0
    while True:
        page = (await api.get("/events", params={"after": after, "limit": 200, "wait": 3})).json()
        if not page["items"]:
            return
        after = page["next_after"]


@asynccontextmanager
async def _server(stack: Stack) -> AsyncIterator[int]:
    """One API instance more, of the same stack."""
    port = free_port()
    given = settings.service_environment("api", stack.home, stack.home.load(), {**os.environ, "DOCKUP_HOME": str(stack.home.root)})
    with (stack.home.logs / "bench-api.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.server", env={**given, server.PORT: str(port)}, cwd=ROOT, stdout=output, stderr=output
        )
    try:
        await _await_answer(port, process, stack)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _await_answer(port: int, process: asyncio.subprocess.Process, stack: Stack) -> None:
    until = time.monotonic() + _START_SECONDS
    async with httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"http://127.0.0.1:{port}/healthz")
            except httpx.TransportError:
                assert process.returncode is None, stack.last_words()
                assert time.monotonic() < until, stack.last_words()
                await asyncio.sleep(0.1)
            else:
                return


async def _wrk(url: str, key: str) -> float:
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{_SECONDS}s", "-H", f"Authorization: Bearer {key}", url]
    done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
    assert not _BAD.search(done.stdout), f"{url}\n{done.stdout}"
    found = _RATE.search(done.stdout)
    assert found, done.stdout
    return float(found[1])


async def _answers_after_revoking(api: httpx.AsyncClient, port: int) -> int:
    """Revoke a key that the measured server has just answered, at the other instance; count what it still answers."""
    made = (await api.post("/api-keys", json={"name": "revoked", "scopes": ["read"]})).json()
    url, headers = f"http://127.0.0.1:{port}/api/v1/apps/bench-read-0", {"Authorization": f"Bearer {made['key']}"}
    async with httpx.AsyncClient() as client:
        assert (await client.get(url, headers=headers)).status_code == httpx.codes.OK
        assert (await api.delete(f"/api-keys/{made['id']}")).is_success
        still = 0
        while (await client.get(url, headers=headers)).status_code == httpx.codes.OK:
            still += 1
        return still
