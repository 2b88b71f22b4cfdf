"""Each operation of the OpenAPI document, with each token that must not have it: the status is the contract's, and nothing changes."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.api.http.principal import SCOPES
from tests.integration.edge.conftest import Api, quick_passwords, running, server, settings  # noqa: F401 - fixtures of this module too

Json = dict[str, Any]
_OF_NOBODY = "none_" + "0" * 32
"""Stands where a path names something that Ada has none of."""
_OWN = {"logOut", "changePassword", "getMe"}
"""What concerns the token's own user alone."""


class Tenants:
    """Ada owns what is attacked; `ids` are its, by the names of path parameters. Eve owns a project of her own."""

    def __init__(self, api: Api, ada: httpx.AsyncClient, eve: httpx.AsyncClient, ids: dict[str, str]) -> None:
        self.api = api
        self.ada = ada
        self.eve = eve
        self.ids = ids
        self.own: dict[str, str] = {}
        self.operations: list[tuple[str, str, Json]] = []

    async def ask(self, client: httpx.AsyncClient, method: str, path: str, operation: Json, **more: Any) -> httpx.Response:
        """The operation with the example of its body."""
        url = re.sub(r"\{(\w+)\}", lambda match: self.ids.get(match[1], _OF_NOBODY), path)
        return await client.request(method, url, **_body(operation), **more)

    async def seen(self) -> list[str]:
        """Everything that Ada sees of it."""
        project, app = self.ids["project_id"], self.ids["app"]
        paths = (f"projects/{project}", f"projects/{project}/members", f"apps/{app}", f"apps/{app}/env?reveal=true")
        lists = (
            "projects",
            "apps",
            f"api-keys/{self.ids['key_id']}",
            f"apps/{app}/deployments",
            f"deployments/{self.ids['deployment_id']}",
        )
        return [(await self.ada.get(f"/api/v1/{path}")).raise_for_status().text for path in (*paths, *lists)]


def _body(operation: Json) -> Json:
    content = operation.get("requestBody", {}).get("content", {})
    media = content.get("application/json")
    if content and not media:
        return {"content": b"not an archive", "headers": {"Content-Type": "application/x-tar"}}
    return {"json": next(iter(media["examples"].values()))["value"]} if media else {}


@pytest.fixture
async def tenants(settings: Any) -> AsyncIterator[Tenants]:  # noqa: F811 - the fixture
    async with running(settings) as api:
        _, ada = await api.member("ada@example.com")
        _, eve = await api.member("eve@example.com")
        project = await _made(ada, "projects", name="Ada's")
        app = await _made(ada, f"projects/{project['id']}/apps", name="ada", slug="ada", image="nginx:alpine", env={"SECRET": "of Ada"})
        deployment = (await ada.post("/api/v1/apps/ada/deploy")).raise_for_status().json()
        key = await _made(ada, "api-keys", name="unbound", scopes=["read"])
        registry = await _made(ada, "registries", name="Ada's", server="ghcr.io", username="ada", password="of Ada's")
        session = (await ada.get("/api/v1/auth/sessions")).raise_for_status().json()["items"][0]
        ids = {
            "project_id": project["id"],
            "app": app["slug"],
            "slug": app["slug"],
            "session_id": session["id"],
            "registry_id": registry["id"],
        }
        found = Tenants(api, ada, eve, {**ids, "deployment_id": deployment["id"], "key_id": key["id"], "code": "not_found"})
        found.own = {
            "ada": (await _made(ada, "projects", name="Her other one"))["id"],
            "eve": (await _made(eve, "projects", name="Eve's"))["id"],
        }
        document = (await api.as_nobody.get("/api/v1/openapi.json")).json()
        found.operations = [(m, path, each) for path, item in document["paths"].items() for m, each in item.items() if each["security"]]
        yield found


async def _made(client: httpx.AsyncClient, path: str, **body: Any) -> Json:
    answer: Json = (await client.post(f"/api/v1/{path}", json=body)).raise_for_status().json()
    return answer


async def test_no_token_and_tokens_that_ended(tenants: Tenants) -> None:
    ada, nobody = tenants.ada, tenants.api.as_nobody
    revoked = await tenants.api.key(ada, "write")
    for each in (await ada.get("/api/v1/api-keys")).json()["items"]:
        if each["name"] == "test":
            (await ada.delete(f"/api/v1/api-keys/{each['id']}")).raise_for_status()
    over = await tenants.api.log_in("admin@localhost", "the admin's password")
    (await over.post("/api/v1/auth/logout")).raise_for_status()
    before = await tenants.seen()
    for method, path, operation in tenants.operations:
        for client in (nobody, revoked, over, tenants.api.client("dkp_" + "x" * 43), tenants.api.client("a.b.c")):
            answer = await tenants.ask(client, method, path, operation)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await tenants.seen() == before


async def test_a_key_of_the_scope_below(tenants: Tenants) -> None:
    before = await tenants.seen()
    keys = {scope: await tenants.api.key(tenants.ada, scope) for scope in ("read", "deploy", "write")}
    before = await tenants.seen()
    tried = 0
    for method, path, operation in tenants.operations:
        for scope in SCOPES[: SCOPES.index(operation["x-scope"])]:
            answer = await tenants.ask(keys[scope], method, path, operation)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path, scope)
            tried += 1
    assert tried > len(tenants.operations) // 2
    assert await tenants.seen() == before


async def test_another_tenant(tenants: Tenants) -> None:
    key = await tenants.api.key(tenants.eve, "write")
    before = await tenants.seen()
    for client in (key, tenants.eve):
        for method, path, operation in tenants.operations:
            await _expect_nothing(tenants, client, method, path, operation, own=tenants.own["eve"])
    assert await tenants.seen() == before


async def test_a_key_that_is_bound_to_another_project(tenants: Tenants) -> None:
    key = await tenants.api.key(tenants.ada, "write", project_id=tenants.own["ada"])
    before = await tenants.seen()
    for method, path, operation in tenants.operations:
        if operation["operationId"] == "endSession":  # a key of scope write may end its owner's logins
            continue
        if operation["operationId"] == "deployBySlug":
            answer = await tenants.ask(key, method, path, operation)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), "its example names another project"
        await _expect_nothing(tenants, key, method, path, operation, own=tenants.own["ada"])
    assert await tenants.seen() == before


async def _expect_nothing(tenants: Tenants, client: httpx.AsyncClient, method: str, path: str, operation: Json, *, own: str) -> None:
    """404 for what is somebody else's, 403 for what needs an admin, lists without it; never a word of it."""
    if operation["operationId"] in _OWN:
        return
    answer = await tenants.ask(client, method, path, operation)
    where = (method, path, answer.status_code, answer.text)
    if operation["x-scope"] == "admin":
        assert answer.status_code == 403, where
    elif operation["operationId"] == "deployBySlug":
        answer = await client.post("/api/v1/deploy/ada", json={"create": True, "project": own, "image": "nginx:alpine"})
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken"), where
        plain = await client.post("/api/v1/deploy/ada")
        assert (plain.status_code, plain.json()["code"]) == (404, "not_found"), plain.text
    elif "/git/" in path:
        assert answer.status_code in {200, 403, 404, 409}, where  # no GitHub is configured here, and a bound key has no connections
    elif "{" in path:
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), where
    elif method == "get":
        assert answer.status_code == 200, where
    foreign = [tenants.ids[name] for name in ("project_id", "deployment_id", "key_id", "registry_id")]
    asked = path.format_map(defaultdict(lambda: _OF_NOBODY, tenants.ids))
    assert not [each for each in foreign if each in answer.text and each not in asked], where
