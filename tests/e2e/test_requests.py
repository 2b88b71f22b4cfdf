"""The same request twice, a slug twice, and requests that are wrong."""

import asyncio
from typing import Any

import pytest

from libs.common import ids
from tests import images
from tests.e2e.conftest import Desk


async def test_slug_taken(desk: Desk) -> None:
    app = await desk.app()
    other = await desk.call("POST", "/projects", json={"name": "another"})
    for project in (app["project_id"], other["id"]):
        answer = await desk.api.post(f"/projects/{project}/apps", json={"name": "x", "slug": app["slug"], "image": images.web()})
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_deleted_slug_belongs_to_its_project(desk: Desk) -> None:
    app = await desk.app()
    other = await desk.call("POST", "/projects", json={"name": "another"})
    assert (await desk.api.delete(f"/apps/{app['slug']}", params={"wait": 60})).is_success
    body = {"name": "x", "slug": app["slug"], "image": images.web()}
    answer = await desk.api.post(f"/projects/{other['id']}/apps", json=body)
    assert answer.json()["code"] == "slug_taken"
    assert (await desk.api.post(f"/projects/{app['project_id']}/apps", json=body)).status_code == 201


async def test_one_key_is_one_deployment(desk: Desk) -> None:
    app = await desk.app()
    key = {"Idempotency-Key": ids.new("key")}
    answers = await asyncio.gather(*(desk.api.post(f"/apps/{app['slug']}/deploy", params={"wait": 60}, headers=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    again = await desk.api.post(f"/apps/{app['slug']}/deploy", params={"wait": 60}, headers=key)
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.json()["id"] == answers[0].json()["id"]
    assert len((await desk.call("GET", f"/apps/{app['slug']}/deployments"))["items"]) == 1
    other = await desk.api.post(f"/apps/{app['slug']}/deploy", headers=key, json={"image": images.silent()})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_every_route_takes_the_slug(desk: Desk) -> None:
    app = await desk.live()
    for path in ("", "/deployments", "/events", "/logs", "/env"):
        by_slug = await desk.api.get(f"/apps/{app['slug']}{path}")
        by_id = await desk.api.get(f"/apps/{app['id']}{path}")
        assert by_slug.status_code == by_id.status_code == 200, (path, by_slug.text, by_id.text)


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"name": "x", "slug": "Upper"}, "validation_failed", "/slug"),
        ({"name": "x", "slug": "xn--abc"}, "validation_failed", "/slug"),
        ({"name": "x", "slug": "a" * 49}, "validation_failed", "/slug"),
        ({"name": "x", "image": "a b"}, "validation_failed", "/image"),
        ({"name": "x", "image": "--privileged"}, "validation_failed", "/image"),
        ({"name": "x", "internal_port": 0}, "validation_failed", "/internal_port"),
        ({"name": "x", "internal_port": "80"}, "validation_failed", "/internal_port"),
        ({"name": "x", "memory_limit": 1}, "validation_failed", "/memory_limit"),
        ({"name": "x", "replicas": 0}, "validation_failed", "/replicas"),
        ({"name": "x", "imag": "nginx"}, "unknown_field", "/imag"),
        ({"name": "x", "env": {"A B": "1"}}, "validation_failed", "/env"),
    ],
)
async def test_refusals_name_the_field(desk: Desk, body: dict[str, Any], code: str, pointer: str) -> None:
    answer = await desk.api.post(f"/projects/{await desk.project()}/apps", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"]), answer.text


async def test_unknown_parameter(desk: Desk) -> None:
    answer = await desk.api.get("/apps", params={"limitt": 3})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


async def test_a_revoked_key_stops_at_once(desk: Desk) -> None:
    made = await desk.call("POST", "/api-keys", json={"name": "short-lived", "scopes": ["read"]})
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await desk.api.get("/apps", headers=headers)).status_code == 200
    assert (await desk.api.delete(f"/api-keys/{made['id']}")).is_success
    assert (await desk.api.get("/apps", headers=headers)).status_code == 401
