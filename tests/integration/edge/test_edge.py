"""What every request passes: ids, headers, strictness, and problems in one shape."""

import json
from typing import Any

import httpx

from services.api.http.catalogue import CATALOGUE
from tests.integration.edge.conftest import Api

JSON = {"Content-Type": "application/json"}
TAR = {"Content-Type": "application/x-tar"}
MEMBERS = {"type", "title", "status", "detail", "code", "hint", "retryable", "request_id"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The body, after a look at its shape."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    entry = CATALOGUE[body["code"]]
    assert body.keys() >= MEMBERS
    assert body["type"] == f"https://localhost/api/v1/errors/{body['code']}"
    assert (body["status"], body["title"], body["retryable"]) == (answer.status_code, entry.title, entry.retryable)
    assert entry.status == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


async def test_problems_have_one_shape(api: Api) -> None:
    cases: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("GET", "/api/v1/nothing", {}, 404, "not_found"),
        ("GET", "/nothing", {}, 404, "not_found"),
        ("GET", "/api/v1/errors/nothing", {}, 404, "not_found"),
        ("PATCH", "/api/v1/users", {}, 405, "method_not_allowed"),
        ("DELETE", "/api/v1/system/status", {}, 405, "method_not_allowed"),
        ("GET", "/api/v1/system/status?x=1", {}, 400, "unknown_parameter"),
        ("GET", "/api/v1/users?limit=0", {}, 400, "validation_failed"),
        ("GET", "/api/v1/users?limit=201", {}, 400, "validation_failed"),
        ("GET", "/api/v1/users?limit=ten", {}, 400, "validation_failed"),
        ("GET", "/api/v1/users?limit=1&limit=2", {}, 400, "validation_failed"),
        ("GET", "/api/v1/users?Limit=1", {}, 400, "unknown_parameter"),
        ("POST", "/api/v1/users", {}, 400, "validation_failed"),
        ("POST", "/api/v1/users", {"content": b"{", "headers": JSON}, 400, "malformed_json"),
        ("POST", "/api/v1/users", {"json": {"email": "a@b.c", "x": 1}}, 400, "unknown_field"),
        ("POST", "/api/v1/users", {"json": {"email": "a b@c"}}, 400, "validation_failed"),
        ("POST", "/api/v1/users", {"data": {"email": "a@b.c"}}, 415, "unsupported_media_type"),
        (
            "POST",
            "/api/v1/users",
            {"content": b"x", "headers": TAR},
            415,
            "unsupported_media_type",
        ),
        ("POST", "/api/v1/users", {"content": b" " * 5_000_000, "headers": JSON}, 413, "body_too_large"),
        ("POST", "/api/v1/auth/logout", {"json": {"all": True}}, 400, "unknown_field"),
        ("POST", "/api/v1/users", {"json": {"email": "a@b.c"}, "headers": {"Idempotency-Key": "\x7f"}}, 400, "validation_failed"),
        ("GET", "/metrics?x=1", {}, 400, "unknown_parameter"),
    ]
    for method, path, more, status, code in cases:
        answer = await api.as_admin.request(method, path, **more)
        assert (answer.status_code, problem(answer)["code"]) == (status, code), (method, path, answer.text)


async def test_a_method_that_is_not_taken_names_those_that_are(api: Api) -> None:
    answer = await api.as_admin.patch("/api/v1/users")
    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"


async def test_a_pointer_names_the_field(api: Api) -> None:
    answer = await api.as_admin.post("/api/v1/users", json={"email": "nobody", "role": "king"})
    assert [error["pointer"] for error in problem(answer)["errors"]] == ["/email", "/role"]


async def test_request_ids(api: Api) -> None:
    for given, kept in (("abc-1.2_X", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False)):
        answer = await api.as_nobody.get("/healthz", headers={"X-Request-Id": given})
        assert (answer.headers["x-request-id"] == given) is kept
        assert answer.headers["x-request-id"]


async def test_headers_that_protect(api: Api) -> None:
    answer = await api.as_admin.get("/api/v1/auth/me")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    page = await api.as_nobody.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_head_is_get_without_a_body(api: Api) -> None:
    answer = await api.as_nobody.head("/api/v1/system/status")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_catalogue(api: Api) -> None:
    items = (await api.as_nobody.get("/api/v1/errors")).json()["items"]
    assert [item["code"] for item in items] == sorted(CATALOGUE)
    one = await api.as_nobody.get("/api/v1/errors/slug_taken")
    assert (one.json()["status"], one.json()["retryable"]) == (409, False)
    page = await api.as_nobody.get("/api/v1/errors/slug_taken", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.headers["content-type"].startswith("text/html")
    assert "slug_taken" in page.text


async def test_documents_that_programs_look_for(api: Api) -> None:
    texts = [(await api.as_nobody.get(path)).text for path in ("/api/v1/openapi.json", "/.well-known/openapi.json", "/swagger.json")]
    assert len(set(texts)) == 1
    assert json.loads(texts[0])["servers"] == [{"url": "https://localhost"}]
    llms = (await api.as_nobody.get("/llms.txt")).text
    assert llms.startswith("# Dockup PaaS")
    assert "https://{slug}-app.localhost" in llms
    assert "dockup.cc" not in llms
    plugin = (await api.as_nobody.get("/.well-known/ai-plugin.json")).json()
    assert plugin["api"]["url"] == "https://localhost/api/v1/openapi.json"
    catalog = await api.as_nobody.get("/.well-known/api-catalog")
    assert catalog.headers["content-type"].startswith("application/linkset+json")
    assert catalog.json()["linkset"][0]["service-desc"][0]["href"] == plugin["api"]["url"]


async def test_the_reference_needs_nothing_from_elsewhere(api: Api) -> None:
    page = (await api.as_nobody.get("/docs")).text
    names = [part.split('"')[0] for part in page.split('="/docs/')[1:]]
    assert len(names) == 4
    for name in names:
        answer = await api.as_nobody.get(f"/docs/{name}")
        assert answer.status_code == 200, name
        assert len(answer.content) > 100, name
    assert "http://" not in page
    assert "https://" not in page


async def test_metrics_want_a_token(api: Api) -> None:
    assert problem(await api.as_nobody.get("/metrics"))["code"] == "unauthenticated"
    assert "# TYPE" in (await api.as_admin.get("/metrics")).text
    assert (await api.as_nobody.get("/healthz")).text == "ok\n"
