"""Who gets in, how far, and until when."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from libs.common import clock
from services.api.accounts.throttle import TRIES
from services.api.settings import Settings
from tests.integration.edge.conftest import Api, changed, running
from tests.servers.redis import RedisServer

ME = "/api/v1/auth/me"


def code(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["code"])


NO_TOKENS = ("", "Bearer", "Bearer ", "Basic YTpi", "Bearer dkp_no", "Bearer a.b.c", "Bearer " + "x" * 5000, "bearer\u00e9", "Token dkp_x")


async def test_what_is_no_token_is_refused(api: Api) -> None:
    for header in NO_TOKENS:
        answer = await api.as_nobody.get(ME, headers={b"Authorization": header.encode("latin-1")} if header else {})
        assert (answer.status_code, code(answer)) == (401, "unauthenticated"), header
        assert answer.headers["www-authenticate"].startswith("Bearer "), header


async def test_login_and_logout(api: Api) -> None:
    admin = await api.log_in()
    me = (await admin.get(ME)).json()
    assert me["scopes"] == ["read", "deploy", "write", "admin"]
    assert me["key_id"] is None
    assert (await admin.post("/api/v1/auth/logout")).status_code == 204
    assert code(await admin.get(ME)) == "unauthenticated"


async def test_a_wrong_login_says_the_same_for_everyone(api: Api) -> None:
    for email in ("admin@localhost", "nobody@localhost"):
        answer = await api.as_nobody.post("/api/v1/auth/login", json={"email": email, "password": "wrong"})
        assert (answer.status_code, code(answer)) == (401, "invalid_credentials")
        assert answer.json()["detail"] == "Email or password is wrong."
    await api.log_in("ADMIN@localhost", api.credentials["password"])


async def test_a_new_password_ends_every_session(api: Api) -> None:
    one, other = await api.log_in(), await api.log_in()
    body = {"current_password": api.credentials["password"], "new_password": "a new password"}
    assert code(await one.post("/api/v1/auth/password", json={**body, "current_password": "wrong one"})) == "invalid_credentials"
    assert (await one.post("/api/v1/auth/password", json=body)).status_code == 204
    assert {(await client.get(ME)).status_code for client in (one, other)} == {401}
    assert (await api.as_admin.get(ME)).status_code == 200, "a key does not end with the password"
    await api.log_in(password="a new password")


async def test_logging_out_and_a_new_password_take_an_idempotency_key(api: Api) -> None:
    user, ada = await api.member()
    key, path, headers = await api.key(ada, "write"), "/api/v1/auth/password", {"Idempotency-Key": "one"}
    body = {"current_password": user["password"], "new_password": "a new password"}
    first, again = [await key.post(path, json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code, again.headers["idempotent-replay"]) == (204, 204, "true")
    assert "idempotent-replay" not in first.headers
    assert code(await key.post(path, json={**body, "new_password": "yet another"}, headers=headers)) == "idempotency_key_reused"
    assert code(await key.post(path, json=body)) == "invalid_credentials"
    body = {"current_password": "a new password", "new_password": "yet another"}
    at_once = await asyncio.gather(*(key.post(path, json=body, headers={"Idempotency-Key": "two"}) for _ in range(2)))
    assert [answer.status_code for answer in at_once] == [204] * 2
    ada = await api.log_in(user["email"], "yet another")
    await ada.post("/api/v1/api-keys", json={"name": "k", "scopes": ["read"]}, headers=headers)
    assert code(await ada.post("/api/v1/auth/logout", headers=headers)) == "idempotency_key_reused"
    assert (await ada.post("/api/v1/auth/logout", headers={"Idempotency-Key": "three"})).status_code == 204
    assert code(await ada.get(ME)) == "unauthenticated"


async def test_a_disabled_user_stops_at_once(api: Api) -> None:
    user, ada = await api.member()
    key = await api.key(ada, "read")
    assert (await key.get(ME)).status_code == 200
    await api.as_admin.put(f"/api/v1/users/{user['id']}", json={"disabled": True})
    assert {(await client.get(ME)).status_code for client in (ada, key)} == {401}
    login = await api.as_nobody.post("/api/v1/auth/login", json={"email": user["email"], "password": user["password"]})
    assert code(login) == "invalid_credentials"


async def test_a_deleted_key_stops_at_once_in_every_process(settings: Settings) -> None:
    async with running(settings) as one, running(settings) as other:
        owner = await one.log_in()
        made = (await owner.post("/api/v1/api-keys", json={"name": "k", "scopes": ["read"]})).json()
        clients = [one.client(made["key"]), other.client(made["key"])]
        assert [(await client.get(ME)).status_code for client in clients] == [200, 200]
        assert (await owner.delete(f"/api/v1/api-keys/{made['id']}")).status_code == 204
        assert [(await client.get(ME)).status_code for client in clients] == [401, 401]


async def test_a_key_ends_when_it_says(api: Api) -> None:
    soon = clock.rfc3339(datetime.now(UTC) + timedelta(seconds=1))
    key = await api.key(api.as_admin, "read", expires_at=soon)
    assert (await key.get(ME)).status_code == 200
    async with asyncio.timeout(10):
        while (await key.get(ME)).status_code == 200:
            await asyncio.sleep(0.05)
    past = await api.as_admin.post("/api/v1/api-keys", json={"name": "k", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"})
    assert code(past) == "validation_failed"


async def test_a_scope_includes_the_ones_before_it(api: Api) -> None:
    names = ["read", "deploy", "write", "admin"]
    for scope in names[:-1]:
        key = await api.key(api.as_admin, scope)
        assert (await key.get(ME)).json()["scopes"] == names[: names.index(scope) + 1]
        assert (await key.get("/api/v1/users")).status_code == 403
        expected = 201 if scope == "write" else 403
        assert (await key.post("/api/v1/api-keys", json={"name": "k", "scopes": ["read"]})).status_code == expected


async def test_a_key_never_exceeds_its_owner(api: Api) -> None:
    _, ada = await api.member()
    assert code(await ada.post("/api/v1/api-keys", json={"name": "k", "scopes": ["admin"]})) == "forbidden"
    writer = await api.key(ada, "write")
    assert code(await writer.post("/api/v1/api-keys", json={"name": "k", "scopes": ["write"]})) == "forbidden"
    assert (await writer.post("/api/v1/api-keys", json={"name": "k", "scopes": ["deploy"]})).status_code == 201


async def test_a_demoted_owner_takes_the_key_along(api: Api) -> None:
    user, ada = await api.member()
    await api.as_admin.put(f"/api/v1/users/{user['id']}", json={"role": "admin"})
    key = await api.key(ada, "admin")
    assert (await key.get("/api/v1/users")).status_code == 200
    await api.as_admin.put(f"/api/v1/users/{user['id']}", json={"role": "member"})
    assert code(await key.get("/api/v1/users")) == "forbidden"


async def test_only_a_login_of_its_owner_reads_a_key(api: Api) -> None:
    owner = await api.log_in()
    made = (await owner.post("/api/v1/api-keys", json={"name": "k", "scopes": ["read"]})).json()
    path = f"/api/v1/api-keys/{made['id']}"
    assert made["key"].startswith("dkp_")
    assert len(made["key"]) >= 47
    assert (await owner.get(path)).json()["key"] == made["key"]
    assert (await api.as_admin.get(path)).json()["key"] is None
    _, ada = await api.member()
    assert (await ada.get(path)).status_code == 404
    assert (await ada.delete(path)).status_code == 404
    listed = (await owner.get("/api/v1/api-keys")).json()["items"]
    assert all("key" not in item for item in listed)


async def test_a_key_cannot_remove_a_greater_one(api: Api) -> None:
    owner = await api.log_in()
    greater = (await owner.post("/api/v1/api-keys", json={"name": "k", "scopes": ["admin"]})).json()
    writer = await api.key(owner, "write")
    assert code(await writer.delete(f"/api/v1/api-keys/{greater['id']}")) == "forbidden"


async def test_secrets_are_nowhere_in_the_database(settings: Settings) -> None:
    if settings.database_url:
        pytest.skip("read from SQLite's file")
    async with running(settings) as api:
        user, ada = await api.member()
        made = (await ada.post("/api/v1/api-keys", json={"name": "k", "scopes": ["read"]}, headers={"Idempotency-Key": "1"})).json()
        secrets = [made["key"], user["password"], api.credentials["api_key"], settings.admin_password]
    stored = b"".join(path.read_bytes() for path in (Path(settings.home) / "api").iterdir())
    assert not [secret for secret in secrets if secret.encode() in stored]


async def test_guessing_is_slowed_down(settings: Settings, redis: RedisServer) -> None:
    async with running(changed(settings, redis_url=redis.url)) as api:
        wrong = {"email": "nobody@example.com", "password": "wrong"}
        answers = [await api.as_nobody.post("/api/v1/auth/login", json=wrong) for _ in range(TRIES + 1)]
        assert [code(answer) for answer in answers] == ["invalid_credentials"] * TRIES + ["rate_limited"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert answers[-1].headers["ratelimit-policy"] == f'"login";q={TRIES};w=60'
        assert "ratelimit" in answers[-1].headers
        assert answers[-1].json()["retryable"] is True
        await api.log_in()
        redis.kill()
        assert code(await api.as_nobody.post("/api/v1/auth/login", json=wrong)) == "invalid_credentials", (
            "this process begins its own count"
        )


async def test_guessing_is_slowed_down_without_redis(settings: Settings, redis: RedisServer) -> None:
    """Without one from the start, and with one that went."""
    for url in ("", redis.url):
        async with running(changed(settings, redis_url=url)) as api:
            if url:
                redis.kill()
            wrong = {"email": f"nobody{len(url)}@example.com", "password": "wrong"}
            answers = [await api.as_nobody.post("/api/v1/auth/login", json=wrong) for _ in range(TRIES + 1)]
            assert [code(answer) for answer in answers] == ["invalid_credentials"] * TRIES + ["rate_limited"]
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
            await api.log_in()


async def test_another_secret_key_ends_sessions_and_an_added_one_does_not(settings: Settings) -> None:
    async with running(settings) as api:
        token = (await api.log_in()).headers["authorization"]
    new = Fernet.generate_key().decode()
    async with running(changed(settings, secret_key=f"{new},{settings.secret_key}")) as api:
        assert (await api.as_nobody.get(ME, headers={"Authorization": token})).status_code == 200
    async with running(changed(settings, secret_key=new)) as api:
        assert (await api.as_nobody.get(ME, headers={"Authorization": token})).status_code == 401
