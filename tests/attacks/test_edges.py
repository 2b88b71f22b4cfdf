"""Values that no client sends by mistake: each is refused with its code, on both databases, and none is a 5xx."""

from typing import Any

import httpx
import pytest

from tests.integration.edge.conftest import Api, api, quick_passwords, server, settings  # noqa: F401 - fixtures of this module too
from tests.integration.edge.test_edge import problem

JSON = {"Content-Type": "application/json"}
LONG = "9" * 30
VERY_LONG = "9" * 5000
Case = tuple[str, str, dict[str, Any], int, str]
CASES: tuple[Case, ...] = (
    ("GET", "events", {"headers": {"Last-Event-ID": VERY_LONG}}, 400, "validation_failed"),
    ("GET", "events", {"headers": {"Last-Event-ID": "-1"}}, 400, "validation_failed"),
    ("GET", f"events?after={VERY_LONG}", {}, 400, "validation_failed"),
    ("GET", f"events?after={LONG}", {}, 410, "cursor_expired"),
    ("GET", "projects?cursor=zzz", {}, 400, "invalid_cursor"),
    ("GET", "projects?cursor=app_0", {}, 400, "invalid_cursor"),
    ("GET", "projects?cursor=prj_%00", {}, 400, "validation_failed"),
    ("GET", "users?cursor=zzz", {}, 400, "invalid_cursor"),
    ("GET", "api-keys?cursor=", {}, 400, "invalid_cursor"),
    ("GET", "apps?cursor=app_%27--", {}, 400, "invalid_cursor"),
    ("GET", "errors?cursor=zzz", {}, 400, "invalid_cursor"),
    ("GET", "auth/sessions?cursor=zzz", {}, 400, "invalid_cursor"),
    ("GET", "audit?cursor=zzz", {}, 400, "invalid_cursor"),
    ("GET", "apps/one/deployments?cursor=" + LONG, {}, 400, "invalid_cursor"),
    ("GET", "apps/one/logs?replica=%00", {}, 400, "validation_failed"),
    ("GET", "apps/one/logs?since=9999-12-31T23:59:59-12:00", {}, 400, "validation_failed"),
    ("GET", "apps/%00", {}, 404, "not_found"),
    ("GET", "apps/app_%00", {}, 404, "not_found"),
    ("GET", "apps/%ff", {}, 404, "not_found"),
    ("DELETE", "users/usr_%00", {}, 404, "not_found"),
    ("POST", "deploy/%00", {}, 404, "not_found"),
    ("POST", "api-keys", {"json": {"name": "k", "scopes": ["read"], "expires_at": "9999-12-31T23:59:59-23:59"}}, 400, "validation_failed"),
    ("POST", "projects", {"content": b"\x1f\x8b", "headers": {**JSON, "Content-Encoding": "gzip"}}, 415, "unsupported_media_type"),
    ("POST", "projects", {"json": {"name": " "}}, 400, "validation_failed"),
    ("DELETE", "apps/one", {"headers": {"If-Match": '"older"'}}, 412, "precondition_failed"),
    ("DELETE", "apps/one?dry_run=true", {"headers": {"If-Match": '"older"'}}, 412, "precondition_failed"),
)


@pytest.fixture
async def one(api: Api) -> httpx.AsyncClient:  # noqa: F811 - the fixture
    """The admin's client; there is an app `one`."""
    project = (await api.as_admin.post("/api/v1/projects", json={"name": "Edges"})).raise_for_status().json()
    (await api.as_admin.post(f"/api/v1/projects/{project['id']}/apps", json={"name": "one", "slug": "one"})).raise_for_status()
    return api.as_admin


async def test_every_edge_has_its_code(one: httpx.AsyncClient) -> None:
    for method, path, more, status, code in CASES:
        answer = await one.request(method, f"/api/v1/{path}", **more)
        assert (answer.status_code, problem(answer)["code"]) == (status, code), (method, path[:60], answer.text)
    assert (await one.get("/api/v1/apps/one")).json()["status_reason"] == "never_deployed", "nothing was deleted"


async def test_a_cursor_that_a_list_gave_goes_on(api: Api) -> None:  # noqa: F811 - the fixture
    for name in ("a", "b", "c"):
        (await api.as_admin.post("/api/v1/projects", json={"name": name})).raise_for_status()
        (await api.as_admin.post("/api/v1/users", json={"email": f"{name}@example.com"})).raise_for_status()
        (await api.as_admin.post("/api/v1/api-keys", json={"name": name, "scopes": ["read"]})).raise_for_status()
    for path in ("projects", "users", "api-keys", "audit", "errors"):
        whole = (await api.as_admin.get(f"/api/v1/{path}")).json()["items"]
        found, cursor = [], ""
        while cursor is not None:
            page = (await api.as_admin.get(f"/api/v1/{path}?limit=2{cursor and '&cursor='}{cursor}")).json()
            found += page["items"]
            cursor = page["next_cursor"]
        assert found == whole, path


async def test_a_wrong_wait_is_what_the_answer_names(one: httpx.AsyncClient) -> None:
    for wait in ("0", "601", "soon"):
        answer = await one.post(f"/api/v1/apps/one/deploy?wait={wait}")
        assert [error["pointer"] for error in problem(answer)["errors"]] == ["/wait"], answer.text


async def test_a_wrong_variable_is_named(one: httpx.AsyncClient) -> None:
    answer = await one.put("/api/v1/apps/one/env", json={"GOOD": "1", "1BAD": "x", "NUMBER": 5})
    assert [error["pointer"] for error in problem(answer)["errors"]] == ["/1BAD", "/NUMBER"]


async def test_a_lesser_key_does_not_get_the_answer_of_another(api: Api) -> None:  # noqa: F811 - the fixture
    ada = (await api.member())[1]
    same: dict[str, Any] = {"json": {"name": "new", "scopes": ["read"]}, "headers": {"Idempotency-Key": "guessed"}}
    first = await ada.post("/api/v1/api-keys", **same)
    again = await ada.post("/api/v1/api-keys", **same)
    assert (again.json(), again.headers["idempotent-replay"]) == (first.json(), "true")
    other = await (await api.key(ada, "write")).post("/api/v1/api-keys", **same)
    assert other.status_code == 201
    assert "idempotent-replay" not in other.headers
    assert other.json()["key"] != first.json()["key"]


async def test_strangers_do_not_block_each_others_idempotency_keys(api: Api) -> None:  # noqa: F811 - the fixture
    for email in ("a@example.com", "b@example.com"):
        body = {"email": email, "password": "a long password"}
        answer = await api.as_nobody.post("/api/v1/auth/register", json=body, headers={"Idempotency-Key": "1"})
        assert (answer.status_code, answer.json()["email"]) == (201, email)


async def test_options_names_every_method(api: Api) -> None:  # noqa: F811 - the fixture
    plain = "GET, HEAD, OPTIONS"
    for path, allowed in (("/api/v1/users", "GET, HEAD, POST, OPTIONS"), ("/docs", plain), ("/healthz", plain)):
        answer = await api.as_nobody.options(path)
        assert (answer.status_code, answer.headers["allow"]) == (204, allowed), path
