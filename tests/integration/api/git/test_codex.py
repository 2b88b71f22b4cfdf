"""Coding sessions through the API, on both databases: the user's key, what the runtime is asked, and what becomes of a push."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import update
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from libs.common import ids
from libs.common.live.channel import Channel
from libs.common.messages.codex import KIND, PUSHED, CodexRequest, Pushed
from libs.common.messages.sessions import Ended
from services.api.apps.models import AppRow
from services.api.codex.service import on_push
from services.api.http.principal import SCOPES, Principal
from services.api.previews.models import PreviewRow
from services.runtime.endings import Endings
from services.runtime.sessions import Kind, Refusal, Session, Sessions
from tests.integration.api.git.test_webhooks import connected, make, repo
from tests.servers.api import ApiServer, World
from tests.stack.eventually import eventually

__all__ = ["connected", "repo"]
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("connected")]
Json = dict[str, Any]
KEY, COMMIT = "sk-of-somebody-0123456789", "1f" * 20


class Coder:
    """The runtime's side: keeps what it was asked. Each input is a commit that was pushed; `exit` ends the session."""

    def __init__(self) -> None:
        self.asked: list[CodexRequest] = []

    async def open(self, _app_id: str, request: msgspec.Raw) -> Session:
        asked = msgspec.json.decode(request, type=CodexRequest)
        self.asked.append(asked)
        if asked.model == "refused":
            raise Refusal("codex_not_configured", "DOCKUP_CODEX_IMAGE names coder:1, which is not on the engine.")

        async def serve(channel: Channel) -> Ended:
            while (frame := await channel.receive()) is not None and frame.body != b"exit":
                await channel.put(msgspec.json.encode(Pushed(branch=asked.branch, commit=frame.body.decode())), PUSHED)
            return Ended(reason="exit", code=0)

        return Session(serve=serve, replica=f"dk-codex-{asked.id}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def coder(world: World, home: Path) -> AsyncIterator[Coder]:
    coder = Coder()
    sessions = Sessions(world.runtime, {KIND: Kind(open=coder.open, most=2)}, Endings(world.runtime, str(home)))
    await world.runtime.serve("open", sessions.open)
    yield coder
    await sessions.close()


@pytest_asyncio.fixture(loop_scope="module")
async def with_key(api: ApiServer) -> AsyncIterator[None]:
    (await api.client.put("/auth/codex-key", json={"key": KEY})).raise_for_status()
    yield
    await api.client.delete("/auth/codex-key")


def enter(api: ApiServer, app: Json, token: str = "", **query: str) -> connect:
    token = token or api.client.headers["Authorization"].removeprefix("Bearer ")
    return connect(f"{api.url.replace('http', 'ws', 1)}/api/v1/apps/{app['slug']}/codex?{urlencode({'token': token, **query})}")


async def refusal(api: ApiServer, app: Json, token: str = "", **query: str) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with enter(api, app, token, **query):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"{}")["code"]


async def tell(socket: ClientConnection, commit: str) -> Json:
    await socket.send(commit)
    frame: Json = json.loads(await socket.recv())
    return frame


async def test_a_key_of_ones_own(api: ApiServer) -> None:
    nothing = {"key": None, "ends_with": None, "updated_at": None}
    assert (await api.client.get("/auth/codex-key")).json() == nothing
    stored = (await api.client.put("/auth/codex-key", json={"key": KEY})).json()
    assert (stored["key"], stored["ends_with"]) == ("••••••••", "6789")
    assert (await api.client.get("/auth/codex-key")).json() == stored
    for body, code in (
        ({"key": stored["key"] * 3}, "masked_value"),
        ({"key": "short"}, "validation_failed"),
        ({"key": "sk-with a space in the middle"}, "validation_failed"),
        ({"key": KEY, "name": "x"}, "unknown_field"),
    ):
        refused = await api.client.put("/auth/codex-key", json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text
    changed = (await api.client.put("/auth/codex-key", json={"key": f"{KEY}abcd"})).json()
    assert changed["ends_with"] == "abcd"
    before = (await api.client.get("/system/secrets")).json()
    assert (await api.client.delete("/auth/codex-key")).status_code == 204
    after = (await api.client.get("/system/secrets")).json()
    assert before["keys"][0]["values"] - after["keys"][0]["values"] == 1, "its key is counted, and rotated, with all others"
    assert (await api.client.get("/auth/codex-key")).json() == nothing
    audit = (await api.client.get("/audit", params={"limit": 10})).json()["items"]
    assert [entry["action"] for entry in audit if entry["action"].startswith("codex_key.")] == [
        "codex_key.removed",
        "codex_key.stored",
        "codex_key.stored",
    ]
    assert KEY not in json.dumps(audit)


async def test_who_and_what_is_refused(api: ApiServer, project: Json, repo: str, coder: Coder) -> None:
    app = await make(api, project, repo)
    assert await refusal(api, app) == (409, "codex_key_missing")
    plain = await api.client.get(f"/apps/{app['slug']}/codex")
    assert (plain.status_code, plain.json()["code"]) == (409, "codex_key_missing")
    await api.client.put("/auth/codex-key", json={"key": KEY})
    plain = await api.client.get(f"/apps/{app['slug']}/codex")
    assert (plain.status_code, plain.json()["code"]) == (426, "upgrade_required")
    reader = (await api.client.post("/api-keys", json={"name": "reads", "scopes": ["read"]})).json()["key"]
    without = (
        await api.client.post(f"/projects/{project['id']}/apps", json={"name": "x", "slug": ids.new("x").replace("_", "-")[-20:]})
    ).json()
    asked = len(coder.asked)
    cases: list[tuple[Json, Json, int, str]] = [
        (app, {"token": reader}, 403, "forbidden"),
        ({"slug": "nobody-has-it"}, {}, 404, "not_found"),
        (app, {"cmd": "sh"}, 400, "unknown_parameter"),
        (app, {"prompt": " "}, 400, "validation_failed"),
        (app, {"prompt": "a\0b"}, 400, "validation_failed"),
        (app, {"prompt": "a" * 8001}, 400, "validation_failed"),
        (app, {"model": "--help"}, 400, "validation_failed"),
        (app, {"tty": "maybe"}, 400, "validation_failed"),
        (app, {"preview": "1"}, 400, "validation_failed"),
        (without, {"preview": "true"}, 400, "validation_failed"),
    ]
    for target, query, status, code in cases:
        assert await refusal(api, target, **query) == (status, code), query
    assert len(coder.asked) == asked
    assert await refusal(api, app, model="refused") == (409, "codex_not_configured")
    async with enter(api, app), enter(api, app):
        assert await refusal(api, app) == (429, "too_many_sessions")
    await api.client.delete("/auth/codex-key")


@pytest.mark.usefixtures("with_key")
async def test_a_push_becomes_a_preview(api: ApiServer, world: World, project: Json, repo: str, coder: Coder) -> None:
    app = await make(api, project, repo, env={"STAGE": "live"}, git_branch="main", preview={"env": {"STAGE": "preview"}, "ttl_hours": 1})
    async with asyncio.timeout(20), enter(api, app, prompt="Do it", model="gpt-5", tty="false", preview="true") as socket:
        asked = coder.asked[-1]
        assert socket.response
        assert socket.response.headers["Dockup-Branch"] == asked.branch == f"dockup/codex-{asked.id}"
        assert (asked.image, asked.prompt, asked.model, asked.tty) == ("coder:1", "Do it", "gpt-5", False)
        assert asked.source
        assert (asked.source.url, asked.source.branch, asked.source.may_push) == (f"{api.settings.github_url}/{repo}.git", "main", True)
        assert api.core.vault.open(asked.key, str) == KEY
        assert api.core.vault.open(asked.source.login, dict)["username"] == "x-access-token"
        first = await tell(socket, COMMIT)
        second = await tell(socket, "2e" * 20)
        await socket.send("exit")
        assert json.loads(await socket.recv()) == {"type": "exit", "code": 0}
    slug = f"{app['slug']}-codex-{asked.id}"
    url = api.settings.app_url(slug)
    assert (first["type"], first["branch"], first["commit"], first["app"], first["url"]) == ("pushed", asked.branch, COMMIT, slug, url)
    assert second["app"] == slug
    preview = (await api.client.get(f"/apps/{slug}")).json()
    assert (preview["git_branch"], preview["auto_deploy"]) == (asked.branch, False)
    assert (await api.client.get(f"/apps/{slug}/env", params={"reveal": True})).json() == {"STAGE": "preview"}
    made = (await api.client.get(f"/apps/{slug}/deployments")).json()["items"]
    assert [(it["id"], it["trigger"], it["commit"]) for it in made] == [
        (second["deployment_id"], "preview", "2e" * 20),
        (first["deployment_id"], "preview", COMMIT),
    ]
    assert (await world.command(preview["id"]))["login"], "the preview reads the repository as its app does"

    async def audited() -> bool:
        """The end is said by the runtime, after the client heard of it."""
        entries = (await api.client.get("/audit", params={"target": app["id"], "limit": 20})).json()["items"]
        found = [it["action"].partition(".")[2] for it in entries if it["action"].startswith("codex.")]
        return found == ["ended", "pushed", "pushed", "started"]

    await eventually(audited, what="the audit")
    async with api.core.db.begin() as tx:
        row = await tx.session.get_one(PreviewRow, preview["id"])
        assert (row.branch, row.done) == (asked.branch, True), "no pull request is there to be told"
        await tx.connection.execute(update(PreviewRow).where(PreviewRow.app_id == preview["id"]).values(expires_at=1.0))
    await world.desired_where(preview["id"], lambda it: it.intent == "deleted", seconds=20)


@pytest.mark.usefixtures("with_key")
async def test_who_works_on_a_prompt_may_think(api: ApiServer, project: Json, repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal where nothing happens is ended; a tool that has its work is not, however long it is silent."""
    monkeypatch.setattr(api.core, "settings", msgspec.structs.replace(api.core.settings, exec_idle_seconds=1.0))
    app = await make(api, project, repo)
    async with asyncio.timeout(20), enter(api, app, prompt="Think") as thinks, enter(api, app) as left:
        assert json.loads(await left.recv())["reason"] == "idle"
        assert (await tell(thinks, COMMIT))["commit"] == COMMIT


@pytest.mark.usefixtures("with_key")
async def test_without_a_preview_and_refused_one(api: ApiServer, project: Json, repo: str) -> None:
    app = await make(api, project, repo)
    async with asyncio.timeout(20), enter(api, app) as socket:
        assert await tell(socket, COMMIT) == {"type": "pushed", "branch": socket.response.headers["Dockup-Branch"], "commit": COMMIT}  # type: ignore[union-attr]
    own = (await api.client.post("/projects", json={"name": ids.new("full")})).raise_for_status().json()
    (await api.client.put(f"/projects/{own['id']}", json={"quotas": {"apps": 1}})).raise_for_status()
    app = await make(api, own, repo)
    async with asyncio.timeout(20), enter(api, app, preview="true") as socket:
        frame = await tell(socket, COMMIT)
        assert "app" not in frame
        assert "There is no preview" in frame["detail"]
        assert (await api.client.delete(f"/apps/{app['id']}")).is_success
        assert json.loads(await socket.recv())["reason"] == "app_deleting"


async def test_a_push_that_comes_after_the_app_has_gone(api: ApiServer, project: Json, repo: str) -> None:
    """The session ends within a second; until then nothing is made for it."""
    app = await make(api, project, repo)
    me = (await api.client.get("/auth/me")).json()
    admin = Principal(user_id=me["id"], email=me["email"], role="admin", scopes=frozenset(SCOPES), actor="test")
    async with api.core.db.read() as session:
        row = await session.get_one(AppRow, app["id"])
    assert (await api.client.delete(f"/apps/{app['id']}")).is_success
    body = msgspec.json.encode(Pushed(branch="codex/late", commit=COMMIT))
    frame = await on_push(api.core, admin, row, body, preview=True)
    assert (frame.app, frame.detail) == (None, f"There is no preview: {app['slug']} is being deleted.")


@pytest.mark.usefixtures("with_key")
async def test_a_colleague_reads_with_the_apps_login_and_pushes_nothing(api: ApiServer, project: Json, repo: str, coder: Coder) -> None:
    app = await make(api, project, repo)
    email, password = f"{ids.new('u')}@example.com", "a password of a colleague"
    user = (await api.client.post("/users", json={"email": email, "password": password})).raise_for_status().json()
    await api.client.put(f"/projects/{project['id']}/members/{user['id']}", json={"role": "maintainer"})
    token = (await api.client.post("/auth/login", json={"email": email, "password": password})).json()["token"]
    assert await refusal(api, app, token) == (409, "codex_key_missing"), "somebody else's key is not theirs"
    colleague = api.as_token(token)
    (await colleague.put("/auth/codex-key", json={"key": f"{KEY}0000"})).raise_for_status()
    async with asyncio.timeout(20), enter(api, app, token):
        asked = coder.asked[-1]
        assert api.core.vault.open(asked.key, str) == f"{KEY}0000"
        assert asked.source
        assert (bool(asked.source.login), asked.source.may_push) == (True, False)
