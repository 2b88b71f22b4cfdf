"""Private registries: whose they are, what comes back, and which pull gets which login."""

from typing import Any

import msgspec
import pytest

from libs.common import ids
from libs.common.messages.builder import CheckRegistry, RegistryChecked, RegistryLogin
from tests.servers.api import PASSWORD, ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]


async def make(api: ApiServer, server: str, **more: str) -> Json:
    body = {"name": "one", "server": server, "username": "AWS", "password": f"secret of {server}", **more}
    answer = await api.client.post("/registries", json=body)
    assert answer.status_code == 201, answer.text
    assert "secret of" not in answer.text
    made: Json = answer.json()
    return made


async def login_of(api: ApiServer, world: World, app: Json, image: str | None = None) -> RegistryLogin | None:
    """What the next deploy of the app is pulled with."""
    await api.client.post(f"/apps/{app['id']}/deploy", json={"image": image} if image else {})
    sealed = (await world.command(app["id"]))["registry"]
    return api.core.vault.open(sealed, RegistryLogin) if sealed else None


async def test_a_password_goes_in_and_never_out(api: ApiServer) -> None:
    made = await make(api, "https://Registry.Example.com/v2/")
    assert made == {"id": made["id"], "name": "one", "server": "registry.example.com", "username": "AWS", "created_at": made["created_at"]}
    path = f"/registries/{made['id']}"
    changed = await api.client.put(path, json={**made, "name": "two", "username": "gitlab+deploy-token-1", "password": "an0ther"})
    assert (changed.status_code, changed.json()["name"], changed.json()["username"]) == (200, "two", "gitlab+deploy-token-1")
    for answer in (await api.client.get(path), await api.client.get("/registries"), await api.client.get("/audit"), changed):
        assert "an0ther" not in answer.text
    assert [each["id"] for each in (await api.client.get("/registries?limit=1")).json()["items"]] == [made["id"]]
    assert (await api.client.delete(path)).status_code == 204
    assert (await api.client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"server": "http://ghcr.io"}, "validation_failed", "/server"),
        ({"server": "ghcr.io/owner"}, "validation_failed", "/server"),
        ({"server": "me@ghcr.io"}, "validation_failed", "/server"),
        ({"server": "ghcr.io:99999"}, "validation_failed", "/server"),
        ({"server": "registry"}, "validation_failed", "/server"),
        ({"server": "-ghcr.io"}, "validation_failed", "/server"),
        ({"username": "a:b"}, "validation_failed", "/username"),
        ({"username": "a\nb"}, "validation_failed", "/username"),
        ({"password": ""}, "validation_failed", "/password"),
        ({"password": "••••••••"}, "masked_value", "/password"),
        ({"email": "x"}, "unknown_field", "/email"),
    ],
)
async def test_what_is_refused(api: ApiServer, change: Json, code: str, pointer: str) -> None:
    body = {"name": "one", "server": "ghcr.io", "username": "ada", "password": "secret", **change}
    answer = await api.client.post("/registries", json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (400, code, pointer)


async def test_another_server_needs_its_password(api: ApiServer) -> None:
    made = await make(api, "one.example.com")
    path = f"/registries/{made['id']}"
    refused = await api.client.put(path, json={"server": "evil.example.com"})
    assert refused.json()["errors"][0]["pointer"] == "/password"
    assert (await api.client.put(path, json={"id": "reg_other"})).json()["code"] == "read_only_field"
    assert (await api.client.put(path, json={"server": "two.example.com", "password": "new"})).json()["server"] == "two.example.com"


async def test_the_login_follows_the_images_server(api: ApiServer, world: World, app: Json) -> None:
    await make(api, "pull.example.com:5000", username="first")
    await make(api, "index.docker.io", username="hub")
    for image, username in (
        ("pull.example.com:5000/team/app:1", "first"),
        ("pull.example.com/team/app:1", None),
        ("nginx:alpine", "hub"),
        ("docker.io/library/nginx", "hub"),
        ("quay.io/team/app", None),
    ):
        login = await login_of(api, world, app, image)
        assert (login.username if login else None) == username, image
    second = await make(api, "pull.example.com:5000", username="second")
    named = await api.client.put(f"/apps/{app['id']}", json={"registry_id": second["id"]})
    assert named.json()["registry_id"] == second["id"]
    login = await login_of(api, world, app, "pull.example.com:5000/team/app:2")
    assert login == RegistryLogin(server="pull.example.com:5000", username="second", password="secret of pull.example.com:5000")
    assert await login_of(api, world, app, "evil.example.com/team/app") is None, "a login is told to its own server alone"
    await api.client.delete(f"/registries/{second['id']}")
    assert (await api.client.get(f"/apps/{app['id']}")).json()["registry_id"] is None


async def test_a_build_gets_those_of_its_base_images(api: ApiServer, world: World, app: Json) -> None:
    await make(api, "base.example.com")
    await api.client.put(f"/apps/{app['id']}", json={"image": None, "git_repo_url": "owner/repo"})
    await api.client.post(f"/apps/{app['id']}/deploy")
    logins = api.core.vault.open((await world.command(app["id"]))["registries"], list[RegistryLogin])
    assert "base.example.com" in {login.server for login in logins}


async def test_somebody_elses(api: ApiServer, world: World, project: Json, app: Json) -> None:
    """A member sees neither the registry nor its login; an app of theirs does not get it."""
    made = await make(api, "mine.example.com")
    email = f"{ids.new('u')}@example.com"
    user = (await api.client.post("/users", json={"email": email, "password": PASSWORD})).json()
    await api.client.put(f"/projects/{project['id']}/members/{user['id']}", json={"role": "maintainer"})
    token = (await api.as_token(None).post("/auth/login", json={"email": email, "password": PASSWORD})).json()["token"]
    member = api.as_token(token)
    assert (await member.get("/registries")).json()["items"] == []
    for answer in (
        await member.get(f"/registries/{made['id']}"),
        await member.put(f"/registries/{made['id']}", json={"name": "x"}),
        await member.post(f"/registries/{made['id']}/check"),
        await member.delete(f"/registries/{made['id']}"),
    ):
        assert answer.status_code == 404
    own = (await member.post("/projects", json={"name": "theirs"})).json()
    body = {"name": "x", "slug": f"reg-{ids.new('s')[-12:]}", "image": "mine.example.com/team/app"}
    refused = await member.post(f"/projects/{own['id']}/apps", json={**body, "registry_id": made["id"]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/registry_id")
    theirs = (await member.post(f"/projects/{own['id']}/apps", json=body)).json()
    await member.post(f"/apps/{theirs['id']}/deploy")
    assert (await world.command(theirs["id"]))["registry"] == ""
    # In a project of the owner's a member deploys with the owner's login, without ever seeing it.
    await member.post(f"/apps/{app['id']}/deploy", json={"image": "mine.example.com/team/app"})
    assert (await world.command(app["id"]))["registry"] != ""
    bound = (await api.client.post("/api-keys", json={"name": "b", "scopes": ["write"], "project_id": project["id"]})).json()
    assert (await api.as_token(bound["key"]).get("/registries")).json()["items"] == []
    assert (await api.as_token(bound["key"]).get(f"/registries/{made['id']}")).status_code == 404
    named = await api.as_token(bound["key"]).put(f"/apps/{app['id']}", json={"registry_id": made["id"]})
    assert named.json()["errors"][0]["pointer"] == "/registry_id"


async def test_a_check_is_the_builders(api: ApiServer, world: World) -> None:
    made = await make(api, "check.example.com")
    silent = await api.client.post(f"/registries/{made['id']}/check", timeout=40)
    assert (silent.status_code, silent.json()["code"]) == (503, "builder_unavailable")
    asked: list[RegistryLogin] = []

    async def answer(body: bytes) -> RegistryChecked:
        query = msgspec.json.decode(body, type=CheckRegistry)
        asked.append(api.core.vault.open(query.login, RegistryLogin))
        return RegistryChecked(code="registry_auth_failed", detail="check.example.com refused the login.")

    await world.builder.serve("registry_check", answer)
    checked = (await api.client.post(f"/registries/{made['id']}/check")).json()
    assert (checked["ok"], checked["code"]) == (False, "registry_auth_failed")
    assert asked[0].password == "secret of check.example.com"
