"""What stands in front of an app: told to the proxy at once, passwords never kept, and what is refused."""

from typing import Any

import pytest

from libs.common import ids
from libs.common.messages.api import Front, Guard, Redirect
from services.api.apps.front import digest
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]


async def put(api: ApiServer, app: Json, **body: Any) -> Json:
    answer = await api.client.put(f"/apps/{app['id']}", json=body)
    assert answer.status_code == 200, answer.text
    changed: Json = answer.json()
    return changed


async def front(world: World, app: Json, condition: Any) -> Front:
    found = (await world.desired_where(app["id"], lambda desired: desired.front is not None and condition(desired.front))).front
    assert found
    return found


async def test_live_and_read_back(api: ApiServer, world: World, app: Json) -> None:
    own, name = f"{app['slug']}-app.localhost", f"www.{ids.new('d').replace('_', '-')}.example"
    await api.client.post(f"/apps/{app['id']}/domains", json={"name": name})
    assert (app["redirects"], app["https_redirect"], app["basic_auth"]) == ([], True, [])
    assert app["maintenance"] == {"enabled": False, "retry_after_seconds": 300}
    redirects = [{"from": name.upper(), "to": own, "status": 301}, {"from": own, "to": "Bücher.example"}]
    changed = await put(api, app, redirects=redirects, https_redirect=False, maintenance={"enabled": True})
    assert changed["redirects"] == [
        {"from": name, "to": own, "status": 301},
        {"from": own, "to": "xn--bcher-kva.example", "status": 308},
    ]
    told = await front(world, app, lambda it: it.maintenance)
    wanted = (Redirect(host=name, to=own, status=301), Redirect(host=own, to="xn--bcher-kva.example"))
    assert told == Front(redirects=wanted, https_redirect=False, maintenance=300)
    assert not changed["pending_changes"]
    before = await api.client.get(f"/apps/{app['id']}")
    again = await api.client.put(f"/apps/{app['id']}", json=before.json())
    assert (again.status_code, again.headers["etag"]) == (200, before.headers["etag"]), "read, edit, write"
    await put(api, app, redirects=None, https_redirect=True, maintenance=None)
    await world.desired_where(app["id"], lambda desired: desired.front is None)
    plan = await api.client.put(f"/apps/{app['id']}", params={"dry_run": True}, json={"maintenance": {"enabled": True}})
    assert plan.json()["plan"][0]["detail"] == "maintenance"


async def test_passwords_are_never_kept(api: ApiServer, world: World, app: Json) -> None:
    users = [{"username": "ada", "password": "a long password"}, {"username": "bob", "password": "another password"}]
    changed = await put(api, app, basic_auth=users)
    assert changed["basic_auth"] == [{"username": "ada"}, {"username": "bob"}]
    told = await front(world, app, lambda it: it.basic_auth)
    guard = api.core.vault.open(told.basic_auth, Guard)
    assert guard.users["ada"] == digest(guard.salt, "ada", "a long password")
    assert "password" not in told.basic_auth
    kept = await put(api, app, basic_auth=[{"username": "ada"}])
    assert kept["basic_auth"] == [{"username": "ada"}]
    told = await front(world, app, lambda it: it.basic_auth != told.basic_auth)
    assert api.core.vault.open(told.basic_auth, Guard) == Guard(salt=guard.salt, users={"ada": guard.users["ada"]})
    for answer in (await api.client.get(f"/apps/{app['id']}"), await api.client.get("/audit"), await api.client.get("/events?after=0")):
        assert "long password" not in answer.text
        assert guard.users["ada"] not in answer.text
    await put(api, app, basic_auth=[])
    await world.desired_where(app["id"], lambda desired: desired.front is None)


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"redirects": [{"from": "not.ours.example", "to": "a.example"}]}, "validation_failed", "/redirects/0/from"),
        ({"redirects": [{"from": "OWN", "to": "OWN"}]}, "validation_failed", "/redirects/0/to"),
        ({"redirects": [{"from": "OWN", "to": "a.example"}, {"from": "OWN", "to": "b.example"}]}, "validation_failed", "/redirects/1/from"),
        ({"redirects": [{"from": "OWN", "to": "https://a.example/x"}]}, "validation_failed", "/redirects/0/to"),
        ({"redirects": [{"from": "OWN", "to": "a.example\r\nX: y"}]}, "validation_failed", "/redirects/0/to"),
        ({"redirects": [{"from": "OWN", "to": "a.example", "status": 303}]}, "validation_failed", "/redirects/0/status"),
        ({"redirects": [{"from": "OWN", "to": "a.example", "path": "/"}]}, "unknown_field", "/redirects/0/path"),
        ({"maintenance": {"enabled": True, "retry_after_seconds": 0}}, "validation_failed", "/maintenance/retry_after_seconds"),
        ({"maintenance": {"enabled": "yes"}}, "validation_failed", "/maintenance/enabled"),
        ({"basic_auth": [{"username": "ada"}]}, "validation_failed", "/basic_auth/0/password"),
        ({"basic_auth": [{"username": "ada", "password": "short"}]}, "validation_failed", "/basic_auth/0/password"),
        ({"basic_auth": [{"username": "a:b", "password": "a long password"}]}, "validation_failed", "/basic_auth/0/username"),
        ({"basic_auth": [{"username": "ada", "password": "••••••••"}]}, "masked_value", "/basic_auth/0/password"),
        ({"basic_auth": [{"username": "ada", "password": "a long password"}] * 2}, "validation_failed", "/basic_auth/1/username"),
        ({"https_redirect": None}, "validation_failed", "/https_redirect"),
    ],
)
async def test_what_is_refused(api: ApiServer, app: Json, body: Json, code: str, pointer: str) -> None:
    own = f"{app['slug']}-app.localhost"
    redirects = [{name: own if value == "OWN" else value for name, value in each.items()} for each in body.get("redirects", [])]
    answer = await api.client.put(f"/apps/{app['id']}", json={**body, **({"redirects": redirects} if redirects else {})})
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]], answer.text
