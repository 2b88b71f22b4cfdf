"""Who did what is told with what was done; a token that ends takes its streams with it."""

import asyncio
from typing import Any

import httpx
import pytest

from libs.common import ids
from tests.servers.api import EMAIL, PASSWORD, ApiServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _log_in(api: ApiServer, email: str = EMAIL, password: str = PASSWORD) -> httpx.AsyncClient:
    answer = await api.as_token(None).post("/auth/login", json={"email": email, "password": password})
    return api.as_token(answer.raise_for_status().json()["token"])


async def _audit(client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await client.get("/audit", params=filters)
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items


async def test_change_is_told_with_key_address_and_request(api: ApiServer, app: dict[str, Any]) -> None:
    me = (await api.client.get("/auth/me")).json()
    answer = await api.client.put(f"/apps/{app['id']}/env", json={"API_TOKEN": "hunter2hunter2"}, headers={"X-Request-Id": "req-told"})
    assert answer.status_code == 200
    (entry,) = await _audit(api.client, target=app["id"], action="app.updated")
    assert (entry["key_id"], entry["user_id"], entry["session_id"]) == (me["key_id"], me["id"], None)
    assert (entry["address"], entry["request_id"], entry["outcome"]) == ("127.0.0.1", "req-told", "done")
    assert "hunter2" not in (await api.client.get("/audit", params={"limit": 200})).text


async def test_refused_change_and_dry_run_leave_no_line(api: ApiServer, app: dict[str, Any]) -> None:
    before = await _audit(api.client, target=app["id"])
    assert (await api.client.put(f"/apps/{app['id']}", json={"internal_port": 0})).status_code == 400
    assert (await api.client.delete(f"/apps/{app['id']}", params={"dry_run": "true"})).status_code == 200
    assert await _audit(api.client, target=app["id"]) == before


async def test_login_refused_and_reveal_are_told(api: ApiServer, app: dict[str, Any]) -> None:
    wrong = await api.as_token(None).post("/auth/login", json={"email": EMAIL, "password": "wrong"})
    assert wrong.status_code == 401
    assert (await _audit(api.client, action="login.refused"))[0]["outcome"] == "refused"
    session = await _log_in(api)
    key_id = (await session.get("/api-keys")).json()["items"][0]["id"]
    assert (await session.get(f"/api-keys/{key_id}")).json()["key"]
    assert (await session.get(f"/apps/{app['id']}/env", params={"reveal": "true"})).status_code == 200
    assert await _audit(api.client, action="api_key.revealed", target=key_id)
    assert await _audit(api.client, action="env.revealed", target=app["id"])


async def test_maintainer_reads_the_projects_audit_viewer_does_not(api: ApiServer, project: dict[str, Any], app: dict[str, Any]) -> None:
    for role, status in (("viewer", 403), ("maintainer", 200)):
        email = f"{ids.new('u')}@example.com"
        user = (await api.client.post("/users", json={"email": email, "password": PASSWORD})).json()
        await api.client.put(f"/projects/{project['id']}/members/{user['id']}", json={"role": role})
        client = await _log_in(api, email)
        assert (await client.get("/audit", params={"project_id": project["id"]})).status_code == status
        mine = await _audit(client)
        assert {entry["project_id"] for entry in mine} == ({project["id"]} if status == 200 else set())
    assert app["project_id"] == project["id"]


async def test_session_ends_with_its_stream(api: ApiServer) -> None:
    first, second = await _log_in(api), await _log_in(api)
    sessions = (await first.get("/auth/sessions")).json()["items"]
    (ending,) = [each for each in (await second.get("/auth/sessions")).json()["items"] if each["current"]]
    assert ending["address"] == "127.0.0.1"
    assert ending["id"] in {each["id"] for each in sessions}

    opened = asyncio.Event()

    async def listen() -> None:
        async with second.stream("GET", "/events", headers={"Accept": "text/event-stream"}) as stream:
            async for _ in stream.aiter_bytes():
                opened.set()

    listening = asyncio.create_task(listen())
    await asyncio.wait_for(opened.wait(), 10)
    assert (await first.delete(f"/auth/sessions/{ending['id']}")).status_code == 204
    assert (await second.get("/auth/me")).status_code == 401
    await asyncio.wait_for(listening, 10)
    assert (await first.delete(f"/auth/sessions/{ending['id']}")).status_code == 404
