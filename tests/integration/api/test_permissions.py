"""Every operation with every role and kind of token: what the table of permissions says is what the API does."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import update

from libs.common import clock, ids
from libs.common.messages.api import Release
from services.api.apps.models import AppRow
from services.api.deployments.models import DeploymentRow
from services.api.http.permissions import ALLOWED, PERMISSIONS, Actor, Where, page, verdict
from services.api.openapi.document import build
from tests.servers.api import EMAIL, PASSWORD, ApiServer
from tests.servers.dns import DnsServer

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
    """A client for each actor, and the project they are in. What an allowed call may have changed is made anew for the next."""

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


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def database(request: pytest.FixtureRequest) -> str:
    """Who may what is decided before any SQL that the two differ in."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def api_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A name server that answers at once."""
    server = DnsServer(tmp_path_factory.mktemp("dns"))
    server.start()
    yield {"dns_server": (server.address,)}
    server.stop()


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


async def _domain(people: People) -> Values:
    app = await people.new_app()
    path = f"/apps/{app['id']}/domains"
    made = await people.clients["owner"].post(path, json={"name": f"{ids.new('w').replace('_', '-')}.example"})
    return {"app": app["id"], "name": made.raise_for_status().json()["name"]}


async def _volume(people: People) -> Values:
    app = await people.new_app()
    made = await people.clients["owner"].post(f"/apps/{app['id']}/volumes", json=BODIES["createVolume"])
    return {"app": app["id"], "volume_id": made.raise_for_status().json()["id"]}


async def _run(people: People) -> Values:
    """Of an app with a release, as far as a run is concerned."""
    app = await people.new_app()
    release = Release(number=1, deployment_id="dep_1", image="web", image_id="sha256:1", port=80, env="")
    async with people.api.core.db.begin() as tx:
        values = {"current": msgspec.json.encode(release).decode()}
        await tx.connection.execute(update(AppRow).where(AppRow.id == app["id"]).values(**values))
    made = await people.clients["owner"].post(f"/apps/{app['id']}/runs", json=BODIES["createRun"])
    return {"app": app["id"], "run_id": made.raise_for_status().json()["id"]}


async def _job(people: People) -> Values:
    app = await people.new_app()
    made = await people.clients["owner"].post(f"/apps/{app['id']}/jobs", json=BODIES["createJob"])
    return {"app": app["id"], "job_id": made.raise_for_status().json()["id"]}


async def _with_backup(people: People) -> Values:
    """One that is no archive: whoever may restore it is told so, once there is a runtime."""
    values = await _volume(people)
    place = Path(people.api.settings.home) / "backups" / "volumes" / values["volume_id"]
    place.mkdir(parents=True)
    (place / "20260131T030000000000Z.tar.gz").write_bytes(b"empty")
    return {**values, "backup": "20260131T030000000000Z.tar.gz"}


async def _left_volume(people: People) -> Values:
    """Of an app that is gone."""
    values = await _volume(people)
    async with people.api.core.db.begin() as tx:
        await tx.connection.execute(update(AppRow).where(AppRow.id == values["app"]).values(gone_at=clock.now()))
    return {**values, "project_id": people.project}


async def _notification(people: People) -> Values:
    """One that is there, else a new one: a project may have twenty."""
    path = f"/projects/{people.project}/notifications"
    found = (await people.clients["owner"].get(path)).raise_for_status().json()["items"]
    body = {"name": "walked", "url": "https://hooks.invalid/"}
    hook = found[0] if found else (await people.clients["owner"].post(path, json=body)).raise_for_status().json()
    return {"project_id": people.project, "notification_id": hook["id"]}


async def _told(people: People) -> Values:
    values = await _notification(people)
    path = f"/projects/{people.project}/notifications/{values['notification_id']}/test"
    return {**values, "delivery_id": (await people.clients["owner"].post(path)).raise_for_status().json()["id"]}


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
BY_OPERATION = {
    "getNotification": _notification,
    "updateNotification": _notification,
    "deleteNotification": _notification,
    "testNotification": _notification,
    "listNotificationDeliveries": _notification,
    "redeliverNotification": _told,
    "getDomain": _domain,
    "checkDomain": _domain,
    "deleteDomain": _domain,
    "getDeploymentDockerfile": _with_dockerfile,
    "removeMember": _member,
    "setMember": _member,
    "deleteProject": _disposable,
    **dict.fromkeys(("getRun", "getRunLogs", "cancelRun"), _run),
    **dict.fromkeys(("getJob", "updateJob", "deleteJob"), _job),
    "getVolume": _volume,
    "updateVolume": _volume,
    "deleteVolume": _volume,
    "getVolumeArchive": _volume,
    "restoreVolume": _volume,
    "listVolumeBackups": _volume,
    "backUpVolume": _volume,
    "restoreVolumeBackup": _with_backup,
    "deleteVolumeBackup": _with_backup,
    "purgeProjectVolume": _left_volume,
}
BODIES: dict[str, Any] = {
    "setCodexKey": {"key": "sk-of-somebody-0123456789"},
    "createProject": {"name": "more"},
    "updateProject": {"name": "walked"},
    "updateApp": {"name": "walked"},
    "setEnv": {"A": "1"},
    "importEnv": {"dotenv": "A=1\n"},
    "setSharedEnv": {"A": "1"},
    "updateAutoscale": {"max_replicas": 2},
    "createVolume": {"name": "data", "mount_path": "/data"},
    "updateVolume": {"shared": True},
    "createRun": {"command": "ls"},
    "createJob": {"name": "walked", "schedule": "0 4 * * *", "command": "ls"},
    "updateJob": {"enabled": False},
    "setMember": {"role": "viewer"},
    "createUser": lambda: {"email": f"{ids.new('u')}@example.com", "password": PASSWORD},
    "updateUser": {"role": "member"},
    "createApp": lambda: {"name": "walked", "slug": ids.new("w").replace("_", "-")},
    "createApiKey": {"name": "less", "scopes": ["read"]},
    "createRegistry": {"name": "walked", "server": "ghcr.io", "username": "ada", "password": "walked-secret"},
    "updateRegistry": {"name": "walked"},
    "createNotification": {"name": "walked", "url": "https://hooks.invalid/"},
    "updateNotification": {"name": "walked"},
    "recover": {"mode": "adopt"},
    "logIn": {"email": "nobody@example.com", "password": "wrong"},
    "receiveGithub": {"zen": "unsigned"},
    "receiveForApp": {"zen": "unsigned"},
    "addDomain": lambda: {"name": f"{ids.new('w').replace('_', '-')}.example"},
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


@pytest.fixture(scope="module")
def routes(api: ApiServer) -> dict[str, tuple[str, str]]:
    """Method and path of each operation: the document takes longer to make than all that is asked of it here."""
    document = msgspec.json.decode(build(api.app, api.settings.url))
    paths: dict[str, dict[str, dict[str, Any]]] = document["paths"]
    return {
        operation["operationId"]: (method.upper(), path.removeprefix("/api/v1"))
        for path, item in paths.items()
        for method, operation in item.items()
    }


async def test_every_operation_is_in_the_table(routes: dict[str, tuple[str, str]]) -> None:
    assert set(routes) == set(PERMISSIONS)


async def test_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8") == page(), "run: just permissions"


@pytest.mark.parametrize("name", WALKED)
async def test_operation_with_every_actor(routes: dict[str, tuple[str, str]], people: People, name: str) -> None:
    method, path = routes[name]
    permission = PERMISSIONS[name]
    wrong = []
    values: Values | None = None
    for who, actor in ACTORS.items():
        values = values or await _values(people, name, path)
        body = BODIES.get(name)
        sent = {"content": ARCHIVE} if name == "uploadImage" else {"json": body() if callable(body) else body}
        answer = await people.clients[who].request(method, path.format(**values), **sent)
        expected = verdict(permission, actor)
        if expected == ALLOWED and method != "GET":
            values = None
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
