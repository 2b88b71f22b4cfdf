"""Every operation with every role and kind of token: what the table of permissions says is what the API does."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import update

from libs.common import ids
from services.api.deployments.models import DeploymentRow
from services.api.http.permissions import ALLOWED, PERMISSIONS, Actor, Where, page, verdict
from services.api.openapi.document import build
from tests.servers.api import EMAIL, PASSWORD, ApiServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[3]
READ, DEPLOY, WRITE, ADMIN = (frozenset({name}) for name in ("read", "deploy", "write", "admin"))
REFUSED = {401, 403, 404}
ACTORS: dict[str, Actor] = {
    "anonymous": Actor(scopes=None),
    "stranger": Actor(scopes=WRITE),
    "viewer": Actor(scopes=WRITE, role="viewer"),
    "deployer": Actor(scopes=WRITE, role="deployer"),
    "maintainer": Actor(scopes=WRITE, role="maintainer"),
    "owner": Actor(scopes=WRITE, role="owner"),
    "admin": Actor(scopes=ADMIN, is_admin=True),
    "admin's read key": Actor(scopes=READ, is_admin=True),
    "admin's write key": Actor(scopes=WRITE, is_admin=True),
    "admin's key of this project": Actor(scopes=ADMIN, is_admin=True, bound=True),
    "owner's read key": Actor(scopes=READ, role="owner"),
    "owner's deploy key": Actor(scopes=DEPLOY, role="owner"),
    "owner's write key": Actor(scopes=WRITE, role="owner"),
    "owner's key of this project": Actor(scopes=WRITE, role="owner", bound=True),
    "owner's key of another project": Actor(scopes=WRITE, role="owner", bound=True, here=False),
    "viewer's write key": Actor(scopes=WRITE, role="viewer"),
}


class People:
    """A client for each actor, and the project they are in. What a call destroys is made anew for the next."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.clients: dict[str, httpx.AsyncClient] = {"anonymous": api.as_token(None), "admin": api.client}
        self.project = ""

    async def make(self) -> None:
        users = {name: await self._user() for name in ("stranger", "viewer", "deployer", "maintainer", "owner")}
        for name, (_, token) in users.items():
            self.clients[name] = self.api.as_token(token)
        self.project = await self.new_project()
        for role in ("viewer", "deployer", "maintainer"):
            path = f"/projects/{self.project}/members/{users[role][0]}"
            (await self.clients["owner"].put(path, json={"role": role})).raise_for_status()
        other = (await self.clients["owner"].post("/projects", json={"name": "other"})).json()["id"]
        admin = self.api.as_token(await self._log_in(EMAIL, PASSWORD))
        await self._key("admin's read key", admin, "read")
        await self._key("admin's write key", admin, "write")
        await self._key("admin's key of this project", admin, "admin", self.project)
        for scope in ("read", "deploy", "write"):
            await self._key(f"owner's {scope} key", self.clients["owner"], scope)
        await self._key("owner's key of this project", self.clients["owner"], "write", self.project)
        await self._key("owner's key of another project", self.clients["owner"], "write", other)
        await self._key("viewer's write key", self.clients["viewer"], "write")

    async def new_project(self) -> str:
        made: str = (await self.clients["owner"].post("/projects", json={"name": "walked"})).raise_for_status().json()["id"]
        return made

    async def new_app(self) -> dict[str, Any]:
        body = {"name": "walked", "slug": ids.new("w").replace("_", "-"), "image": "nginx:alpine"}
        made = await self.clients["owner"].post(f"/projects/{self.project}/apps", json=body)
        app: dict[str, Any] = made.raise_for_status().json()
        return app

    async def new_user(self) -> str:
        return (await self._user(log_in=False))[0]

    async def _user(self, *, log_in: bool = True) -> tuple[str, str]:
        email = f"{ids.new('u')}@example.com"
        user = (await self.api.client.post("/users", json={"email": email, "password": PASSWORD})).raise_for_status().json()
        return user["id"], await self._log_in(email, PASSWORD) if log_in else ""

    async def _log_in(self, email: str, password: str) -> str:
        answer = await self.clients["anonymous"].post("/auth/login", json={"email": email, "password": password})
        token: str = answer.raise_for_status().json()["token"]
        return token

    async def _key(self, name: str, owner: httpx.AsyncClient, scope: str, project: str | None = None) -> None:
        answer = await owner.post("/api-keys", json={"name": name, "scopes": [scope], "project_id": project})
        self.clients[name] = self.api.as_token(answer.raise_for_status().json()["key"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(api: ApiServer) -> People:
    made = People(api)
    await made.make()
    return made


Values = dict[str, Any]


async def _deployment(people: People) -> Values:
    app = await people.new_app()
    made = (await people.clients["owner"].post(f"/apps/{app['id']}/deploy")).raise_for_status().json()
    return {"deployment_id": made["id"]}


async def _with_dockerfile(people: People) -> Values:
    values = await _deployment(people)
    statement = update(DeploymentRow).where(DeploymentRow.id == values["deployment_id"]).values(dockerfile="FROM scratch")
    async with people.api.core.db.begin() as tx:
        await tx.connection.execute(statement)
    return values


async def _member(people: People) -> Values:
    user_id = await people.new_user()
    await people.clients["owner"].put(f"/projects/{people.project}/members/{user_id}", json={"role": "viewer"})
    return {"project_id": people.project, "user_id": user_id}


async def _app(people: People) -> Values:
    app = await people.new_app()
    return {"app": app["id"], "slug": app["slug"]}


async def _project(people: People) -> Values:
    return {"project_id": people.project}


async def _disposable(people: People) -> Values:
    """A deletion of the project is only allowed when empty: with apps in it those who may are told `project_not_empty`."""
    await people.new_app()
    return {"project_id": people.project}


async def _user(people: People) -> Values:
    return {"user_id": await people.new_user()}


BY_PARAMETER: dict[str, Callable[[People], Awaitable[Values]]] = {
    "app": _app,
    "slug": _app,
    "deployment_id": _deployment,
    "project_id": _project,
    "user_id": _user,
}
BY_OPERATION = {"getDeploymentDockerfile": _with_dockerfile, "removeMember": _member, "setMember": _member, "deleteProject": _disposable}
BODIES: dict[str, Any] = {
    "createProject": {"name": "more"},
    "updateProject": {"name": "walked"},
    "updateApp": {"name": "walked"},
    "setEnv": {"A": "1"},
    "setMember": {"role": "viewer"},
    "createUser": lambda: {"email": f"{ids.new('u')}@example.com", "password": PASSWORD},
    "updateUser": {"role": "member"},
    "createApp": lambda: {"name": "walked", "slug": ids.new("w").replace("_", "-")},
    "createApiKey": {"name": "less", "scopes": ["read"]},
    "createRegistry": {"name": "walked", "server": "ghcr.io", "username": "ada", "password": "walked-secret"},
    "updateRegistry": {"name": "walked"},
    "recover": {"mode": "adopt"},
    "logIn": {"email": "nobody@example.com", "password": "wrong"},
    "receiveGithub": {"zen": "unsigned"},
    "receiveForApp": {"zen": "unsigned"},
    "register": {"email": "new@example.com", "password": "long enough"},
}
ARCHIVE = b"manifest.json".ljust(257, b"\0") + b"ustar".ljust(255, b"\0")
"""It begins as an archive does: who may send one is asked before more of it is read."""
ENDS_ITSELF = {"logOut", "changePassword"}
"""They end the token that asks; `tests/integration/edge` covers what they do to their own."""
OWN_ITEM = {
    "getRegistry",
    "updateRegistry",
    "deleteRegistry",
    "checkRegistry",
    "getApiKey",
    "deleteApiKey",
    "endSession",
    "getError",
    "deleteGitConnection",
    "redeliver",
}
"""Their path names something of the caller's: with the token's right and no such thing it is a 404."""
WALKED = sorted(PERMISSIONS.keys() - ENDS_ITSELF)


def _routes(api: ApiServer) -> dict[str, tuple[str, str]]:
    document = msgspec.json.decode(build(api.app, api.settings.url))
    paths: dict[str, dict[str, dict[str, Any]]] = document["paths"]
    return {
        operation["operationId"]: (method.upper(), path.removeprefix("/api/v1"))
        for path, item in paths.items()
        for method, operation in item.items()
    }


async def test_every_operation_is_in_the_table(api: ApiServer) -> None:
    assert set(_routes(api)) == set(PERMISSIONS)


async def test_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8") == page(), "run: just permissions"


@pytest.mark.parametrize("name", WALKED)
async def test_operation_with_every_actor(api: ApiServer, people: People, name: str) -> None:
    method, path = _routes(api)[name]
    permission = PERMISSIONS[name]
    wrong = []
    for who, actor in ACTORS.items():
        values = await _values(people, name, path)
        body = BODIES.get(name)
        sent = {"content": ARCHIVE} if name == "uploadImage" else {"json": body() if callable(body) else body}
        answer = await people.clients[who].request(method, path.format(**values), **sent)
        expected = verdict(permission, actor)
        if not _as_expected(name, permission.where, expected, answer):
            wrong.append(f"{who}: {expected} expected, {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


async def _values(people: People, name: str, path: str) -> Values:
    if name in BY_OPERATION:
        return await BY_OPERATION[name](people)
    values: Values = {
        "key_id": "key_none",
        "registry_id": "reg_none",
        "session_id": "ses_none",
        "code": "not_found",
        "provider": "github",
        "connection_id": "git_none",
        "delivery_id": "dlv_none",
    }
    for parameter, make in BY_PARAMETER.items():
        if f"{{{parameter}}}" in path and parameter not in values:
            values |= await make(people)
    return values


def _as_expected(name: str, where: Where, expected: int, answer: httpx.Response) -> bool:
    if expected != ALLOWED:
        return answer.status_code == expected
    if where is Where.PUBLIC:
        return answer.status_code != 404 and answer.json().get("code") != "unauthenticated"
    return answer.status_code not in (REFUSED - {404} if name in OWN_ITEM else REFUSED)
