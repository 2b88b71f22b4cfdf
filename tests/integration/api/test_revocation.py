"""What is taken from somebody is gone at once: in another API process, and from a stream that is open."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from libs.common import clock, ids
from services.api.accounts import passwords
from services.api.accounts import service as accounts
from services.api.audit.models import AuditRow
from services.api.purge import KEPT_AUDIT, purge
from tests.servers.api import PASSWORD, ApiServer
from tests.servers.nats import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def other(home: Path, bus_server: NatsServer, api: ApiServer) -> AsyncIterator[ApiServer]:
    """Another API on the same database: what it keeps is its own."""
    other = ApiServer(home, bus_server.url, api.settings.database_url, secret_key=api.settings.secret_key)
    await other.start()
    yield other
    await other.stop()


async def _member(api: ApiServer, project: str, role: str) -> tuple[str, str]:
    """A member of the project: id and token."""
    email = f"{ids.new('u')}@example.com"
    user_id: str = (await api.client.post("/users", json={"email": email, "password": PASSWORD})).json()["id"]
    await api.client.put(f"/projects/{project}/members/{user_id}", json={"role": role})
    answer = await api.as_token(None).post("/auth/login", json={"email": email, "password": PASSWORD})
    return user_id, answer.raise_for_status().json()["token"]


async def test_a_key_that_goes_here_is_gone_there(api: ApiServer, other: ApiServer) -> None:
    made = (await api.client.post("/api-keys", json={"name": "k", "scopes": ["read"]})).json()
    there = other.as_token(made["key"])
    assert [(await there.get("/auth/me")).status_code for _ in range(3)] == [200] * 3, "kept there by now"
    assert (await api.client.delete(f"/api-keys/{made['id']}")).status_code == 204
    assert (await there.get("/auth/me")).status_code == 401


async def test_a_role_that_goes_here_is_gone_there(api: ApiServer, other: ApiServer, app: dict[str, Any]) -> None:
    user_id, token = await _member(api, app["project_id"], "viewer")
    there = other.as_token(token)
    assert [(await there.get(f"/apps/{app['id']}")).status_code for _ in range(3)] == [200] * 3
    assert (await api.client.delete(f"/projects/{app['project_id']}/members/{user_id}")).status_code == 204
    assert (await there.get(f"/apps/{app['id']}")).status_code == 404


async def test_a_stream_there_ends_with_a_user_who_is_disabled_here(api: ApiServer, other: ApiServer, app: dict[str, Any]) -> None:
    user_id, token = await _member(api, app["project_id"], "viewer")
    listening = await _listen(other, token, "/events")
    assert (await api.client.put(f"/users/{user_id}", json={"disabled": True})).status_code == 200
    await asyncio.wait_for(listening, 10)
    assert (await other.as_token(token).get("/auth/me")).status_code == 401


async def test_an_apps_feed_ends_for_a_member_who_is_removed(api: ApiServer, app: dict[str, Any]) -> None:
    user_id, token = await _member(api, app["project_id"], "viewer")
    listening = await _listen(api, token, f"/apps/{app['id']}/events")
    assert (await api.client.delete(f"/projects/{app['project_id']}/members/{user_id}")).status_code == 204
    shown = await asyncio.wait_for(listening, 10)
    await api.client.put(f"/apps/{app['id']}", json={"name": "seen by members alone"})
    assert "member_removed" not in shown


@pytest.mark.parametrize("what", ["login", "password"])
async def test_a_password_that_was_right_until_just_now(api: ApiServer, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Whoever knows the old one does not keep the account by being quick: it is looked at again with what follows."""
    email, matches, looked = f"{ids.new('u')}@example.com", passwords.matches, asyncio.Event()
    user_id = (await api.client.post("/users", json={"email": email, "password": PASSWORD})).json()["id"]
    old = {"email": email, "password": PASSWORD}
    there = api.as_token((await api.as_token(None).post("/auth/login", json=old)).json()["token"])

    async def look(password: str, hashed: str | None) -> bool:
        is_right = await matches(password, hashed)
        looked.set()
        return is_right

    monkeypatch.setattr(passwords, "matches", look)
    hashed = await passwords.make_hash("set by an admin")
    async with api.core.db.begin() as tx:
        await accounts.set_password(tx, user_id, hashed)
        asking = asyncio.create_task(
            api.as_token(None).post("/auth/login", json=old)
            if what == "login"
            else there.post("/auth/password", json={"current_password": PASSWORD, "new_password": "set by a thief"})
        )
        await asyncio.wait_for(looked.wait(), 20)
    answer = await asyncio.wait_for(asking, 20)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    now = await api.as_token(None).post("/auth/login", json={"email": email, "password": "set by an admin"})
    sessions = (await api.as_token(now.json()["token"]).get("/auth/sessions")).json()["items"]
    assert [session["current"] for session in sessions] == [True]


async def _listen(api: ApiServer, token: str, path: str) -> "asyncio.Task[str]":
    """Follow a feed until it ends; returns once it is open."""
    opened = asyncio.Event()

    async def listen() -> str:
        shown = ""
        async with api.as_token(token).stream("GET", path, headers={"Accept": "text/event-stream"}) as stream:
            assert stream.status_code == 200
            async for text in stream.aiter_text():
                shown += text
                opened.set()
        return shown

    task = asyncio.create_task(listen())
    await asyncio.wait_for(opened.wait(), 10)
    return task


async def test_the_audit_is_kept_for_a_year(api: ApiServer) -> None:
    now = datetime.now(UTC)
    ages = {"aud_old": KEPT_AUDIT + timedelta(minutes=1), "aud_young": KEPT_AUDIT - timedelta(minutes=1)}
    rows = [
        {"id": name, "at": clock.rfc3339(now - age), "action": "x", "outcome": "done", "target": None, "project_id": None}
        | {"user_id": None, "actor": "a", "key_id": None, "session_id": None, "address": "", "request_id": ""}
        for name, age in ages.items()
    ]
    async with api.core.db.begin() as tx:
        await tx.connection.execute(insert(AuditRow), rows)
    await purge(api.core.db, now)
    async with api.core.db.connect() as connection:
        left = (await connection.execute(select(AuditRow.id).where(AuditRow.id.in_(ages)))).scalars().all()
    assert left == ["aud_young"]
