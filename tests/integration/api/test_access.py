"""Someone else's is 404, one's own without the right is 403."""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from libs.common import ids
from libs.common.secrets import MASK
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES = ("viewer", "deployer", "maintainer")


async def make_user(api: ApiServer) -> tuple[dict[str, Any], httpx.AsyncClient]:
    email = f"{ids.new('u')}@example.com"
    user = (await api.client.post("/users", json={"email": email, "password": "long enough"})).json()
    token = (await api.as_token(None).post("/auth/login", json={"email": email, "password": "long enough"})).json()["token"]
    return user, api.as_token(token)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(api: ApiServer, project: dict[str, Any]) -> dict[str, httpx.AsyncClient]:
    """A client for each role in `project`, and a `stranger`."""
    clients = {}
    for role in ROLES:
        user, clients[role] = await make_user(api)
        answer = await api.client.put(f"/projects/{project['id']}/members/{user['id']}", json={"role": role})
        assert answer.status_code == 200
    clients["stranger"] = (await make_user(api))[1]
    return clients


CALLS: list[tuple[str, str, dict[str, Any] | None, str]] = [
    ("GET", "/projects/{project}", None, "viewer"),
    ("GET", "/projects/{project}/apps", None, "viewer"),
    ("GET", "/projects/{project}/members", None, "viewer"),
    ("GET", "/apps/{app}", None, "viewer"),
    ("GET", "/apps/{slug}", None, "viewer"),
    ("GET", "/apps/{app}/deployments", None, "viewer"),
    ("GET", "/apps/{app}/events", None, "viewer"),
    ("GET", "/apps/{app}/env", None, "viewer"),
    ("GET", "/apps/{app}/env?reveal=true", None, "maintainer"),
    ("POST", "/apps/{app}/deploy", None, "deployer"),
    ("POST", "/deploy/{slug}", None, "deployer"),
    ("POST", "/apps/{app}/stop", None, "deployer"),
    ("PUT", "/apps/{app}", {"name": "x"}, "maintainer"),
    ("PUT", "/apps/{app}/env", {"A": "1"}, "maintainer"),
    ("PUT", "/projects/{project}", {"name": "Tests"}, "maintainer"),
    ("POST", "/deploy/{slug}", {"create": True}, "maintainer"),
    ("DELETE", "/projects/{project}", None, "owner"),
    ("DELETE", "/apps/{app}?dry_run=true", None, "maintainer"),
]


@pytest.mark.parametrize(("method", "path", "body", "needed"), CALLS, ids=str)
async def test_roles(
    project: dict[str, Any],
    app: dict[str, Any],
    people: dict[str, httpx.AsyncClient],
    *,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    needed: str,
) -> None:
    target = path.format(project=project["id"], app=app["id"], slug=app["slug"])
    for role in ROLES:
        answer = await people[role].request(method, target, json=body)
        is_enough = needed != "owner" and ROLES.index(role) >= ROLES.index(needed)
        assert (answer.status_code < 300) == is_enough, (role, answer.text)
        if not is_enough:
            assert answer.json()["code"] == "forbidden"
    answer = await people["stranger"].request(method, target, json=body)
    unknown = "slug_taken" if body == {"create": True, "project": "x"} else "not_found"
    if body == {"create": True}:
        assert answer.status_code in {400, 409}
    else:
        assert (answer.status_code, answer.json()["code"]) == (404, unknown)


async def test_lists_show_ones_own(api: ApiServer, app: dict[str, Any], people: dict[str, httpx.AsyncClient]) -> None:
    mine = (await people["viewer"].get("/apps?limit=200")).json()["items"]
    assert app["id"] in [it["id"] for it in mine]
    assert (await people["stranger"].get("/apps")).json()["items"] == []
    assert (await people["stranger"].get("/projects")).json()["items"] == []
    assert (await people["stranger"].get("/events")).json()["items"] == []


async def test_commands_are_read_as_they_were_typed_by_who_may_write(
    api: ApiServer, world: World, live: dict[str, Any], people: dict[str, httpx.AsyncClient]
) -> None:
    path = f"/apps/{live['id']}"
    command = ["psql", "postgres://u:hunter22@db/x", "-c", "select 'of the app'"]
    hidden = ["psql", f"postgres://u:{MASK}@db/x", "-c", f"select '{MASK}'"]
    await api.client.put(f"{path}/env", json={"DB_PASSWORD": "of the app"})
    job = (await api.client.post(f"{path}/jobs", json={"name": "j", "schedule": "0 0 1 1 *", "command": command})).json()
    run = (await people["maintainer"].post(f"{path}/runs", json={"command": command})).json()
    assert run["command"] == command, run
    for role, wanted in {"viewer": hidden, "deployer": hidden, "maintainer": command}.items():
        for each in (f"runs/{run['id']}", f"jobs/{job['id']}", "runs", "jobs"):
            answer = (await people[role].get(f"{path}/{each}")).json()
            assert (answer["items"][0] if "items" in answer else answer)["command"] == wanted, (role, each)
    back = await people["maintainer"].put(f"{path}/jobs/{job['id']}", json={"command": hidden})
    assert (back.status_code, back.json()["code"]) == (400, "masked_value")


async def test_somebody_elses_slug(app: dict[str, Any], people: dict[str, httpx.AsyncClient]) -> None:
    answer = await people["stranger"].post(f"/deploy/{app['slug']}", json={"create": True, "project": "Mine"})
    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
    assert (await people["stranger"].get("/projects")).json()["items"] == []


async def test_a_key_that_is_bound_to_a_project(api: ApiServer, project: dict[str, Any], app: dict[str, Any]) -> None:
    other = (await api.client.post("/projects", json={"name": "Other"})).json()
    key = (await api.client.post("/api-keys", json={"name": "ci", "scopes": ["write"], "project_id": other["id"]})).json()["key"]
    bound = api.as_token(key)
    assert (await bound.get(f"/apps/{app['id']}")).status_code == 404
    assert [it["id"] for it in (await bound.get("/projects")).json()["items"]] == [other["id"]]
    assert (await bound.post("/projects", json={"name": "x"})).json()["code"] == "forbidden"
    slug = f"bound-{ids.new('s')[-8:]}"
    made = await bound.post(f"/deploy/{slug}", json={"create": True, "image": "nginx"})
    assert made.status_code == 202
    assert (await api.client.get(f"/apps/{slug}")).json()["project_id"] == other["id"]


async def test_a_key_of_less_scope(api: ApiServer, app: dict[str, Any]) -> None:
    key = (await api.client.post("/api-keys", json={"name": "look", "scopes": ["read"]})).json()
    reader = api.as_token(key["key"])
    assert (await reader.get(f"/apps/{app['id']}")).status_code == 200
    assert (await reader.post(f"/apps/{app['id']}/deploy")).json()["code"] == "forbidden"
    assert (await reader.get(f"/apps/{app['id']}/env?reveal=true")).json()["code"] == "forbidden"
    assert (await api.client.delete(f"/api-keys/{key['id']}")).status_code == 204
    assert (await reader.get(f"/apps/{app['id']}")).status_code == 401


async def test_members_come_and_go(api: ApiServer, project: dict[str, Any], app: dict[str, Any]) -> None:
    user, client = await make_user(api)
    path = f"/projects/{project['id']}/members/{user['id']}"
    assert (await client.get(f"/apps/{app['id']}")).status_code == 404
    await api.client.put(path, json={"role": "viewer"})
    assert (await client.get(f"/apps/{app['id']}")).status_code == 200
    assert user["email"] in [it["email"] for it in (await client.get(f"/projects/{project['id']}/members?limit=200")).json()["items"]]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(f"/apps/{app['id']}")).status_code == 404
    assert (await api.client.delete(path)).status_code == 404
    members = f"/projects/{project['id']}/members"
    added = await api.client.put(f"{members}/{user['email'].upper()}", json={"role": "viewer"})
    assert (added.status_code, added.json()["user_id"]) == (200, user["id"])
    for nobody in ("usr_nobody", "nobody@example.com"):
        assert (await api.client.put(f"{members}/{nobody}", json={"role": "viewer"})).status_code == 404
