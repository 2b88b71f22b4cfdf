"""Webhooks: a hundred in a second, and from a push to the beginning of its build. On a stack of its own, with a git host beside it."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from libs.common.clock import parse
from tests.bench.bench import QUIET
from tests.bench.results import Figures, median, p95
from tests.servers.github import GitHubServer, signed
from tests.stack import Stack, eventually

_APPS, _PUSHES = 20, 4
_AGAIN = 1
"""Of each app's deliveries so many are sent twice."""
_SECONDS = 1.0
_REPO = "ada/bench"
Json = dict[str, Any]


async def measure(stack: Stack, rounds: int) -> Figures:
    del stack  # it knows no git host
    with tempfile.TemporaryDirectory() as folder:
        github = GitHubServer(Path(folder))
        github.start()
        own = Stack(github_url=github.address, egress_allow="127.0.0.1", build_concurrency="1")
        try:
            await asyncio.to_thread(own.up)
            async with own.client() as api:
                commits = _commits(github, _APPS * _PUSHES + rounds)
                hooks = await _apps(api, own)
                storm = await _storm(hooks, commits)
                await eventually(lambda: _judged(api, hooks), 60, what="the deliveries to be judged")
                kept = await _kept(api, hooks)
                begun = [await _begun(api, hooks[number % _APPS], commits[_APPS * _PUSHES + number]) for number in range(rounds)]
        finally:
            await asyncio.to_thread(own.destroy)
            github.stop()
    sent = _APPS * (_PUSHES + _AGAIN)
    return {
        "deliveries in a second": sent,
        "seconds that sending took": round(storm["seconds"], 2),
        "lost (0)": sent - kept["deliveries"],
        "deployed twice (0)": kept["deployments"] - _APPS * _PUSHES,
        "duplicates told": kept["duplicates"],
        "answered median ms": median(storm["ms"]),
        "answered p95 ms (100)": p95(storm["ms"]),
        "pushes one by one": rounds,
        "received to build started, median ms (150)": median(begun),
        "received to build started, p95 ms": p95(begun),
    }


def _commits(github: GitHubServer, count: int) -> list[str]:
    github.add_repo(_REPO, {"Dockerfile": "FROM scratch\nCOPY page /page\n", "page": "0"})
    return [github.commit(_REPO, {"page": str(number)}) for number in range(count)]


async def _apps(api: httpx.AsyncClient, stack: Stack) -> list[Json]:
    """The webhooks of so many apps, sent to the API's own port: the proxy's part is measured elsewhere."""
    project = (await api.post("/projects", json={"name": "webhooks"})).json()["id"]
    hooks = []
    for number in range(_APPS):
        body = {"name": "bench", "slug": f"bench-hook-{number}", "git_repo_url": _REPO, "git_provider": "github"}
        app = (await api.post(f"/projects/{project}/apps", json=body)).raise_for_status().json()
        hook = (await api.get(f"/apps/{app['id']}/webhook")).raise_for_status().json()
        hooks.append({**hook, "app": app["id"], "url": hook["url"].replace(stack.url, f"http://127.0.0.1:{stack.api_port}")})
    return hooks


def _payload(commit: str) -> Json:
    return {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": commit,
        "repository": {"full_name": _REPO, "default_branch": "main"},
        "sender": {"login": "ada"},
    }


async def _storm(hooks: list[Json], commits: list[str]) -> dict[str, Any]:
    plan = [(number % _APPS, number) for number in range(_APPS * _PUSHES)]
    plan += [(app, app) for app in range(_APPS)] * _AGAIN
    gap = _SECONDS / len(plan)
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:
        started = time.perf_counter()
        tasks = []
        for number, (app, push) in enumerate(plan):
            await asyncio.sleep(max(0.0, started + number * gap - time.perf_counter()))
            tasks.append(asyncio.create_task(_send(client, hooks[app], commits[push], f"push-{push}")))
        seconds = time.perf_counter() - started
        return {"ms": [ms for ms, _ in await asyncio.gather(*tasks)], "seconds": seconds}


async def _send(client: httpx.AsyncClient, hook: Json, commit: str, delivery: str) -> tuple[float, Json]:
    started = time.perf_counter()
    answer = await client.post(hook["url"], **signed(_payload(commit), hook["secret"], "push", delivery))
    elapsed = (time.perf_counter() - started) * 1000
    made: Json = answer.raise_for_status().json()["deliveries"][0]
    return elapsed, made


async def _judged(api: httpx.AsyncClient, hooks: list[Json]) -> bool:
    pages = [(await api.get(f"/apps/{hook['app']}/webhook/deliveries", params={"limit": 200})).json()["items"] for hook in hooks]
    return all(item["verdict"] != "received" for items in pages for item in items)


async def _kept(api: httpx.AsyncClient, hooks: list[Json]) -> dict[str, int]:
    counts = {"deliveries": 0, "duplicates": 0, "deployments": 0}
    for hook in hooks:
        items = (await api.get(f"/apps/{hook['app']}/webhook/deliveries", params={"limit": 200})).json()["items"]
        counts["deliveries"] += len(items)
        counts["duplicates"] += sum(item["verdict"].startswith("duplicate") for item in items)
        counts["deployments"] += len((await api.get(f"/apps/{hook['app']}/deployments", params={"limit": 200})).json()["items"])
    return counts


async def _begun(api: httpx.AsyncClient, hook: Json, commit: str) -> float:
    """Milliseconds from the delivery's arrival to the builder's own word that it began; nothing else is under way."""
    await _rest(api, hook)
    async with httpx.AsyncClient(timeout=30) as client:
        _, made = await _send(client, hook, commit, commit)

    async def begun() -> str | None:
        newest = (await api.get(f"/apps/{hook['app']}/deployments", params={"limit": 1})).json()["items"][0]
        found: str | None = newest["started_at"] if newest["commit"] == commit else None
        return found

    at = await eventually(begun, 60, what="the build to begin")
    return (parse(at) - parse(made["received_at"])).total_seconds() * 1000


async def _rest(api: httpx.AsyncClient, hook: Json) -> None:
    """Wait until no app of the bench has anything under way."""

    async def quiet() -> bool:
        for app in (await api.get("/apps", params={"limit": 200})).json()["items"]:
            newest = (await api.get(f"/apps/{app['id']}/deployments", params={"limit": 1})).json()["items"]
            if newest and newest[0]["status"] in {"queued", "building", "deploying"}:
                return False
        return True

    del hook
    await eventually(quiet, 300, what="the builds before to end")
    await asyncio.sleep(QUIET)
