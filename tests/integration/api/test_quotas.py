"""Quotas of a project: shown, an admin's to set, and held by every way to have more."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.common import ids
from services.api.apps.grammar import machine
from tests.servers.api import PASSWORD, ApiServer
from tests.servers.nats import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CORES, MEGABYTES = machine()


async def _project(api: ApiServer, **quotas: Any) -> str:
    made: str = (await api.client.post("/projects", json={"name": "Bounded"})).json()["id"]
    answer = await api.client.put(f"/projects/{made}", json={"quotas": quotas})
    assert answer.status_code == 200, answer.text
    return made


async def _app(api: ApiServer, project: str, **fields: Any) -> httpx.Response:
    body = {"name": "q", "slug": ids.new("q").replace("_", "-"), "image": "nginx:alpine", **fields}
    return await api.client.post(f"/projects/{project}/apps", json=body)


def _exceeded(answer: httpx.Response, quota: str, used: float, allowed: float) -> bool:
    problem = answer.json()
    return (answer.status_code, problem["code"]) == (409, "quota_exceeded") and (problem["quota"], problem["used"], problem["allowed"]) == (
        quota,
        used,
        allowed,
    )


async def test_apps(api: ApiServer) -> None:
    project = await _project(api, apps=1)
    first = (await _app(api, project)).json()
    assert _exceeded(await _app(api, project), "apps", 1, 1)
    slug = ids.new("q").replace("_", "-")
    by_slug = await api.client.post(f"/deploy/{slug}", json={"create": True, "project": project, "image": "nginx:alpine"})
    assert _exceeded(by_slug, "apps", 1, 1)
    assert (await api.client.get(f"/apps/{slug}")).status_code == 404, "nothing of it stays"
    view = (await api.client.get(f"/projects/{project}")).json()
    assert (view["quotas"], view["usage"]["apps"]) == ({"apps": 1, "cpu": None, "memory": None}, 1)
    assert (await api.client.put(f"/apps/{first['id']}", json={"replicas": 2})).status_code == 200
    await api.client.delete(f"/apps/{first['id']}")
    assert (await _app(api, project)).status_code == 201


async def test_cpu_and_memory_are_limits_times_replicas(api: ApiServer) -> None:
    project = await _project(api, cpu=1, memory=128)
    app = (await _app(api, project, cpu_limit=0.25, memory_limit=32, replicas=2)).json()
    path = f"/apps/{app['id']}"
    assert (await api.client.get(f"/projects/{project}")).json()["usage"] == {"apps": 1, "cpu": 0.5, "memory": 64}
    assert _exceeded(await api.client.put(path, json={"replicas": 5}), "cpu", 0.5, 1)
    assert _exceeded(await api.client.put(path, json={"memory_limit": 65}), "memory", 64, 128)
    assert _exceeded(await api.client.put(f"{path}?dry_run=true", json={"cpu_limit": 0.75}), "cpu", 0.5, 1)
    assert _exceeded(await api.client.put(path, json={"memory_limit": None}), "memory", 64, 128)
    assert _exceeded(await _app(api, project, cpu_limit=0.75, memory_limit=32), "cpu", 0.5, 1)
    body = {"create": True, "memory_limit": 96}
    assert _exceeded(await api.client.post(f"/deploy/{app['slug']}", json=body), "memory", 64, 128)
    assert (await api.client.get(path)).json() == app
    assert (await api.client.put(path, json={"replicas": 4})).status_code == 200


async def test_what_shrinks_is_taken_under_a_lowered_quota(api: ApiServer) -> None:
    project = await _project(api)
    app = (await _app(api, project, cpu_limit=0.5, memory_limit=64, replicas=4)).json()
    assert (await api.client.put(f"/projects/{project}", json={"quotas": {"cpu": 0.5}})).json()["quotas"]["cpu"] == 0.5
    path = f"/apps/{app['id']}"
    assert (await api.client.put(path, json={"replicas": 3})).status_code == 200
    assert (await api.client.put(path, json={"internal_port": 81})).status_code == 200
    assert _exceeded(await api.client.put(path, json={"replicas": 4}), "cpu", 1.5, 0.5)


async def test_an_app_without_a_limit_counts_as_the_machine(api: ApiServer) -> None:
    project = await _project(api, cpu=CORES, memory=MEGABYTES)
    assert (await _app(api, project)).status_code == 201
    assert (await api.client.get(f"/projects/{project}")).json()["usage"] == {"apps": 1, "cpu": CORES, "memory": MEGABYTES}
    assert _exceeded(await _app(api, project, cpu_limit=0.05, memory_limit=16), "cpu", CORES, CORES)


async def test_two_that_grow_at_once(api: ApiServer) -> None:
    project = await _project(api, cpu=1)
    apps = [(await _app(api, project, cpu_limit=0.25)).json()["id"] for _ in range(3)]
    answers = await asyncio.gather(
        *(api.client.put(f"/apps/{app}", json={"replicas": 2}) for app in apps), _app(api, project, cpu_limit=0.25)
    )
    assert sum(answer.is_success for answer in answers) == 1, [answer.text for answer in answers]
    assert (await api.client.get(f"/projects/{project}")).json()["usage"]["cpu"] == 1


async def test_quotas_are_an_admins_to_set(api: ApiServer) -> None:
    email = f"{ids.new('u')}@example.com"
    await api.client.post("/users", json={"email": email, "password": PASSWORD})
    token = (await api.as_token(None).post("/auth/login", json={"email": email, "password": PASSWORD})).json()["token"]
    async with api.as_token(token) as owner:
        path = f"/projects/{(await owner.post('/projects', json={'name': 'Mine'})).json()['id']}"
        refused = await owner.put(path, json={"quotas": {"apps": 5}})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        await api.client.put(path, json={"quotas": {"apps": 5}})
        whole = (await owner.get(path)).json()
        again = await owner.put(path, json={**whole, "name": "Mine still"})
        assert again.status_code == 200, "what was read may come back"
        assert again.json()["quotas"]["apps"] == 5
        for wrong, pointer in (({"apps": -1}, "/quotas/apps"), ({"cpu": "2"}, "/quotas/cpu"), ({"memory": 1.5}, "/quotas/memory")):
            answer = await api.client.put(path, json={"quotas": wrong})
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
        assert (await api.client.put(path, json={"quotas": {"disk": 1}})).json()["code"] == "unknown_field"
        assert (await api.client.put(path, json={"usage": {"apps": 9, "cpu": 0, "memory": 0}})).json()["code"] == "read_only_field"
        assert (await api.client.put(path, json={"quotas": {"apps": None}})).json()["quotas"]["apps"] is None


async def test_the_servers_own_quota_is_the_default(home: Path, bus_server: NatsServer, api: ApiServer) -> None:
    """Another API process on the same database, told of a quota."""
    other = ApiServer(home, bus_server.url, api.settings.database_url, secret_key=api.settings.secret_key, quota_apps=1)
    await other.start()
    try:
        made = (await other.client.post("/projects", json={"name": "By default"})).json()
        assert made["quotas"] == {"apps": 1, "cpu": None, "memory": None}
        assert (await _app(other, made["id"])).status_code == 201
        assert _exceeded(await _app(other, made["id"]), "apps", 1, 1)
        raised = await other.client.put(f"/projects/{made['id']}", json={"quotas": {"apps": 2}})
        assert raised.json()["quotas"]["apps"] == 2
        assert (await _app(other, made["id"])).status_code == 201
    finally:
        await other.stop()
