"""PostgreSQL's locks are taken in one order: whoever holds some waits for nobody who waits for those."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import delete, select, text

import services.api
from libs.common import clock, ids, subjects
from libs.common.messages.runtime import Settled
from libs.common.states import Intent
from services.api.accounts import service as accounts
from services.api.accounts.schemas import UserUpdate
from services.api.apps.models import AppRow
from services.api.apps.service import all_in
from services.api.db.database import Database
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.domains import service as domains
from services.api.events.models import EventRow
from services.api.http.principal import SCOPES, Principal
from services.api.previews import service as previews
from services.api.projects import service as projects
from services.api.reactions.batch import Heard, _react
from tests.integration.api.test_domains import api_settings, names
from tests.servers.api import ApiServer
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
T = TypeVar("T")
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
_LOCK = re.compile(r"with_for_update(?!=HELD)")
__all__ = ["api_settings", "names"]


@pytest.fixture(scope="module")
def database() -> str:
    """SQLite has one writer: nothing is locked there."""
    return "postgresql"


@pytest_asyncio.fixture(loop_scope="module")
async def admin(api: ApiServer) -> Principal:
    me = (await api.client.get("/auth/me")).json()
    return Principal(user_id=me["id"], email=me["email"], role="admin", scopes=frozenset(SCOPES), actor="test")


@pytest_asyncio.fixture(loop_scope="module")
async def two(api: ApiServer) -> list[Json]:
    """Two apps that are built, of a project of their own, in the order in which they were made."""
    project = (await api.client.post("/projects", json={"name": "Locks"})).json()
    body = {"name": "x", "git_provider": "github", "git_repo_url": "o/r"}
    made = [await api.client.post(f"/projects/{project['id']}/apps", json={**body, "slug": _slug()}) for _ in range(2)]
    return [answer.raise_for_status().json() for answer in made]


def _slug() -> str:
    return ids.new("l").replace("_", "-")


async def _row(tx: Tx, app_id: str) -> AppRow:
    return (await tx.session.execute(held(select(AppRow).where(AppRow.id == app_id)))).scalar_one()


async def _beside(db: Database, one: Callable[[Tx], Awaitable[object]], other: Coroutine[Any, Any, T], then: Callable[[Tx], Any]) -> T:
    """What became of `other`, which comes while a transaction that did `one` is open, and has what it wants, or waits, before `then`."""
    async with db.begin() as tx:
        await one(tx)
        task = asyncio.create_task(other)

        async def is_decided() -> bool:
            async with db.connect() as connection:
                return task.done() or bool((await connection.execute(_WAITING)).scalar_one())

        await eventually(is_decided)
        await then(tx)
    return await asyncio.wait_for(task, 20)


async def test_a_volume_is_made_while_somebody_holds_the_project(api: ApiServer, admin: Principal, two: list[Json]) -> None:
    app, project_id = two[0], two[0]["project_id"]
    answer = await _beside(
        api.core.db,
        lambda tx: projects.locked(tx, admin, project_id),
        api.client.post(f"/apps/{app['id']}/volumes", json={"name": "data", "mount_path": "/data"}),
        lambda tx: all_in(tx, project_id),
    )
    assert answer.status_code == 201, answer.text


async def test_a_preview_is_made_while_somebody_holds_the_project(api: ApiServer, admin: Principal, two: list[Json]) -> None:
    project_id, found = two[0]["project_id"], []

    async def preview() -> str:
        async with api.core.db.begin() as tx:
            return await _preview(api, tx, two[0])

    async def see(tx: Tx) -> None:
        found.extend([app.id for app in await all_in(tx, project_id)])

    made = await _beside(api.core.db, lambda tx: projects.locked(tx, admin, project_id), preview(), see)
    assert made in found, "whoever comes to have all apps has those that were made meanwhile"


async def test_a_project_goes_with_a_preview_that_is_being_made(api: ApiServer, two: list[Json]) -> None:
    made: list[str] = []

    async def preview(tx: Tx) -> None:
        made.append(await _preview(api, tx, two[0]))

    async def nothing(_tx: Tx) -> None:
        return None

    answer = await _beside(api.core.db, preview, api.client.delete(f"/projects/{two[0]['project_id']}?cascade=true"), nothing)
    assert (answer.status_code, answer.json()["apps_left"]) == (202, 3)
    async with api.core.db.connect() as connection:
        assert (await connection.execute(select(AppRow.intent).where(AppRow.id == made[0]))).scalar_one() == Intent.DELETED


async def _preview(api: ApiServer, tx: Tx, parent: Json) -> str:
    app, _ = await previews.of_branch(api.core, tx, await _row(tx, parent["id"]), "work", commit="a" * 40, actor="test")
    return app.id


async def test_a_batch_of_events_takes_its_apps_in_their_order(api: ApiServer, two: list[Json]) -> None:
    events = [
        Settled(event_id=ids.new("evt"), at=clock.now(), app_id=app["id"], epoch=1, revision=10_000, running=0) for app in reversed(two)
    ]
    batch = [
        Heard(seq=10**9 + n, subject=subjects.event("runtime", event, event.app_id), body=msgspec.json.encode(event), headers={})
        for n, event in enumerate(events)
    ]

    async def react() -> set[str]:
        async with api.core.db.begin() as tx:
            woken = await _react(tx, batch)
            await tx.connection.execute(delete(EventRow).where(EventRow.seq >= 10**9))  # they are of no stream
            return woken

    woken = await _beside(api.core.db, lambda tx: _row(tx, two[0]["id"]), react(), lambda tx: _row(tx, two[1]["id"]))
    assert woken == {app["id"] for app in two}


async def test_a_name_is_asked_for_while_the_app_that_has_it_is_changed(api: ApiServer, two: list[Json]) -> None:
    name = f"www.{_slug()}.example"
    (await api.client.post(f"/apps/{two[0]['id']}/domains", json={"name": name})).raise_for_status()

    async def check(tx: Tx) -> None:
        await domains.locked(tx, await _row(tx, two[0]["id"]), name)

    wanted = api.client.post(f"/apps/{two[1]['id']}/domains", json={"name": name})
    answer = await _beside(api.core.db, lambda tx: _row(tx, two[0]["id"]), wanted, check)
    assert (answer.status_code, answer.json()["code"]) == (409, "domain_taken")


async def test_two_admins_who_are_changed_at_once(api: ApiServer, admin: Principal) -> None:
    other = (await api.client.post("/users", json={"email": f"{ids.new('u')}@example.com", "role": "admin"})).json()["id"]
    answer = await _beside(
        api.core.db,
        lambda tx: accounts.update_user(tx, admin.user_id, UserUpdate(role="admin"), None),
        api.client.put(f"/users/{other}", json={"role": "member"}),
        lambda tx: accounts.update_user(tx, other, UserUpdate(disabled=True), None),
    )
    assert answer.status_code == 200, answer.text


async def test_locks_are_made_in_one_place() -> None:
    rooms = Path(services.api.__file__).parent
    found = {path.relative_to(rooms).as_posix() for path in rooms.rglob("*.py") if _LOCK.search(path.read_text(encoding="utf-8"))}
    assert found == {"db/locks.py"}
