"""docs/states.md as a table: each verb in each state, what is answered and what is wanted then."""

from typing import Any

import pytest

from libs.common.messages.api import Desired
from libs.common.states import Intent
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUNNING, STOPPED, DELETED = Intent.RUNNING, Intent.STOPPED, Intent.DELETED
# state, verb, status, code or None, intent then, whether `desired` changed
TABLE: list[tuple[str, str, int, str | None, Intent, bool]] = [
    ("new", "deploy", 202, None, RUNNING, False),
    ("new", "start", 409, "app_not_running", RUNNING, False),
    ("new", "stop", 202, None, RUNNING, False),
    ("new", "restart", 409, "app_not_running", RUNNING, False),
    ("new", "scale", 200, None, RUNNING, True),
    ("new", "delete", 202, None, DELETED, True),
    ("running", "deploy", 202, None, RUNNING, False),
    ("running", "start", 202, None, RUNNING, False),
    ("running", "stop", 202, None, STOPPED, True),
    ("running", "restart", 202, None, RUNNING, True),
    ("running", "scale", 200, None, RUNNING, True),
    ("running", "delete", 202, None, DELETED, True),
    ("deploying", "deploy", 202, None, RUNNING, False),
    ("deploying", "start", 202, None, RUNNING, False),
    ("deploying", "stop", 202, None, STOPPED, True),
    ("deploying", "restart", 202, None, RUNNING, True),
    ("deploying", "scale", 200, None, RUNNING, True),
    ("deploying", "delete", 202, None, DELETED, True),
    ("stopped", "deploy", 202, None, STOPPED, False),
    ("stopped", "start", 202, None, RUNNING, True),
    ("stopped", "stop", 202, None, STOPPED, False),
    ("stopped", "restart", 202, None, RUNNING, True),
    ("stopped", "scale", 200, None, STOPPED, True),
    ("stopped", "delete", 202, None, DELETED, True),
    ("deleting", "deploy", 409, "app_deleting", DELETED, False),
    ("deleting", "start", 409, "app_deleting", DELETED, False),
    ("deleting", "stop", 409, "app_deleting", DELETED, False),
    ("deleting", "restart", 409, "app_deleting", DELETED, False),
    ("deleting", "scale", 409, "app_deleting", DELETED, False),
    ("deleting", "delete", 202, None, DELETED, False),
]


async def bring(api: ApiServer, world: World, app: dict[str, Any], state: str) -> None:
    """Bring a new app into `state`."""
    path = f"/apps/{app['id']}"
    if state in {"running", "stopped", "deploying"}:
        first = (await api.client.post(f"{path}/deploy")).json()
        await world.bring_live(first)
        await world.desired_where(app["id"], lambda it: it.current is not None)
    if state == "deploying":
        second = (await api.client.post(f"{path}/deploy")).json()
        await world.image_ready(second)
        await world.desired_where(app["id"], lambda it: it.candidate is not None)
    if state == "stopped":
        await api.client.post(f"{path}/stop")
        await world.desired_where(app["id"], lambda it: it.intent is STOPPED)
    if state == "deleting":
        await api.client.delete(path)
        await world.desired_where(app["id"], lambda it: it.intent is DELETED)


async def call(api: ApiServer, app: dict[str, Any], verb: str) -> tuple[int, str | None]:
    path = f"/apps/{app['id']}"
    if verb == "scale":
        answer = await api.client.put(path, json={"replicas": 2})
    elif verb == "delete":
        answer = await api.client.delete(path)
    else:
        answer = await api.client.post(f"{path}/{verb}")
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize(("state", "verb", "status", "code", "intent", "is_told"), TABLE, ids=[f"{row[0]}-{row[1]}" for row in TABLE])
async def test_verb(
    api: ApiServer,
    world: World,
    app: dict[str, Any],
    *,
    state: str,
    verb: str,
    status: int,
    code: str | None,
    intent: Intent,
    is_told: bool,
) -> None:
    await bring(api, world, app, state)
    before = await world.desired_where(app["id"], lambda it: it.revision >= 1)
    assert await call(api, app, verb) == (status, code)

    def is_done(it: Desired) -> bool:
        return it.intent is intent and (it.revision > before.revision) == is_told

    after = await world.desired_where(app["id"], is_done)
    assert after.current == before.current
    if (state, verb) == ("deploying", "deploy"):
        assert after.candidate == before.candidate
    if intent is not RUNNING:
        assert after.candidate is None
