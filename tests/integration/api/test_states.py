"""docs/states.md as a table: each verb in each state, what is answered and what is wanted then."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from libs.common.messages.api import Desired
from libs.common.messages.runtime import ReplicaCrashLooping
from libs.common.states import Intent
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUNNING, STOPPED, PAUSED, DELETED = Intent.RUNNING, Intent.STOPPED, Intent.PAUSED, Intent.DELETED
VERBS = ("deploy", "start", "stop", "restart", "pause", "unpause", "scale", "rollback", "cancel", "delete")
OK, DOWN, NONE, ENDED, GOING = (
    (202, None),
    (409, "app_not_running"),
    (409, "nothing_to_roll_back_to"),
    (409, "deployment_ended"),
    (409, "app_deleting"),
)
R, S, P, D = RUNNING, STOPPED, PAUSED, DELETED
Cell = tuple[tuple[int, str | None], Intent, bool]
# By state, in the order of VERBS: the answer, the intent then, whether `desired` changed.
TABLE: dict[str, tuple[Cell, ...]] = {
    "new": ((OK, R, False), (DOWN, R, False), (OK, R, False), (DOWN, R, False), (DOWN, R, False), (DOWN, R, False)),
    "starting": ((OK, R, False), (OK, R, False), (OK, S, True), (OK, R, True), (DOWN, R, False), (DOWN, R, False)),
    "running": ((OK, R, False), (OK, R, False), (OK, S, True), (OK, R, True), (OK, P, True), (OK, R, True)),
    "building": ((OK, R, True), (OK, R, False), (OK, S, True), (OK, R, True), (OK, P, True), (OK, R, True)),
    "deploying": ((OK, R, False), (OK, R, False), (OK, S, True), (OK, R, True), (OK, P, True), (OK, R, True)),
    "stopped": ((OK, S, False), (OK, R, True), (OK, S, False), (OK, R, True), (DOWN, S, False), (DOWN, S, False)),
    "paused": ((OK, P, False), (OK, R, True), (OK, S, True), (OK, R, True), (OK, P, False), (OK, R, True)),
    "paused+deploying": ((OK, P, False), (OK, R, True), (OK, S, True), (OK, R, True), (OK, P, True), (OK, R, True)),
    "looping": ((OK, R, False), (OK, R, False), (OK, S, True), (OK, R, True), (OK, P, True), (OK, R, True)),
    "deleting": ((GOING, D, False),) * 6,
}
UNDER_WAY = {"starting", "building", "deploying", "paused+deploying"}
TWICE_LIVE = {"looping"}


def rest_of(state: str) -> tuple[Cell, ...]:
    """scale, rollback, cancel, delete."""
    if state == "deleting":
        return (GOING, D, False), (GOING, D, False), (GOING, D, False), (OK, D, False)
    intent = TABLE[state][0][1]
    cancelled = ((200, None), intent, True) if state in UNDER_WAY else (ENDED, intent, False)
    back = (OK, intent, False) if state in TWICE_LIVE else (NONE, intent, False)
    return ((200, None), intent, True), back, cancelled, (OK, D, True)


WALK = [
    (state, verb, cell)
    for state in TABLE
    for verb, cell in zip(VERBS, (*TABLE[state], *rest_of(state)), strict=True)
    if (state, verb) != ("new", "cancel")
]


async def go_live(api: ApiServer, world: World, path: str) -> dict[str, Any]:
    deployment: dict[str, Any] = (await api.client.post(f"{path}/deploy")).json()
    await world.bring_live(deployment)
    await world.desired_where(deployment["app_id"], lambda it: it.current and it.current.deployment_id == deployment["id"])
    return deployment


async def bring(api: ApiServer, world: World, app: dict[str, Any], state: str) -> str:
    """Bring a new app into `state`; return its newest deployment."""
    path = f"/apps/{app['id']}"
    newest: dict[str, Any] = {"id": ""}
    if state not in {"new", "starting"}:
        newest = await go_live(api, world, path)
    if state == "looping":
        newest = await go_live(api, world, path)
        await world.replica(ReplicaCrashLooping, newest)
        await until_reason(api, app, "crash_loop")
    if state in {"paused", "paused+deploying"}:
        await api.client.post(f"{path}/pause")
        await world.desired_where(app["id"], lambda it: it.intent is PAUSED)
    if state in UNDER_WAY:
        newest = (await api.client.post(f"{path}/deploy")).json()
    if state in UNDER_WAY - {"building"}:
        await world.image_ready(newest)
        await world.desired_where(app["id"], lambda it: it.candidate is not None)
    if state == "stopped":
        await api.client.post(f"{path}/stop")
        await world.desired_where(app["id"], lambda it: it.intent is STOPPED)
    if state == "deleting":
        await api.client.delete(path)
        await world.desired_where(app["id"], lambda it: it.intent is DELETED)
    return str(newest["id"])


async def until_reason(api: ApiServer, app: dict[str, Any], reason: str) -> None:
    async with asyncio.timeout(20):
        while (await api.client.get(f"/apps/{app['id']}")).json()["status_reason"] != reason:
            await asyncio.sleep(0.02)


async def call(api: ApiServer, app: dict[str, Any], verb: str, deployment: str) -> httpx.Response:
    path = f"/apps/{app['id']}"
    if verb == "scale":
        return await api.client.put(path, json={"replicas": 2})
    if verb == "cancel":
        return await api.client.post(f"/deployments/{deployment}/cancel")
    return await (api.client.delete(path) if verb == "delete" else api.client.post(f"{path}/{verb}"))


@pytest.mark.parametrize(("state", "verb", "cell"), WALK, ids=[f"{row[0]}-{row[1]}" for row in WALK])
async def test_verb(api: ApiServer, world: World, app: dict[str, Any], *, state: str, verb: str, cell: Cell) -> None:
    expected, intent, is_told = cell
    newest = await bring(api, world, app, state)
    before = await world.desired_where(app["id"], lambda it: it.revision >= 1)
    answer = await call(api, app, verb, newest)
    assert (answer.status_code, answer.json().get("code")) == expected, answer.text

    def is_done(it: Desired) -> bool:
        return it.intent is intent and (it.revision > before.revision) == is_told

    after = await world.desired_where(app["id"], is_done)
    assert after.current == before.current
    if (state, verb) == ("deploying", "deploy"):
        assert after.candidate == before.candidate
    if verb in {"stop", "pause", "delete", "cancel"} and answer.is_success:
        assert after.candidate is None


PAIRS = list(itertools.combinations_with_replacement(VERBS, 2))
TOGETHER = [
    *[("deploying", *pair) for pair in PAIRS],
    *[("building", *pair) for pair in PAIRS if "cancel" in pair],
    *[(state, *pair) for state in ("running", "paused") for pair in PAIRS if "cancel" not in pair],
    *[pytest.param("stopped", *pair, marks=pytest.mark.long) for pair in PAIRS if "cancel" not in pair],
    *[pytest.param("building", *pair, marks=pytest.mark.long) for pair in PAIRS if "cancel" not in pair],
]


@pytest.mark.parametrize(("state", "one", "other"), TOGETHER)
async def test_pair(api: ApiServer, world: World, app: dict[str, Any], *, state: str, one: str, other: str) -> None:
    """Two clients, two verbs: what is left is what one of the two orders leaves, and each is answered as that order says."""
    newest = await bring(api, world, app, state)
    before = await world.desired_where(app["id"], lambda it: it.revision >= 1)
    first, second = await asyncio.gather(call(api, app, one, newest), call(api, app, other, newest))
    assert first.status_code < 500 > second.status_code, (first.text, second.text)
    found = (first.status_code, first.json().get("code")), (second.status_code, second.json().get("code"))
    orders = [simulate(state, (one, other)), simulate(state, (other, one))]
    possible = [(answers if index == 0 else answers[::-1], intent) for index, (answers, intent) in enumerate(orders)]
    fitting = [intent for answers, intent in possible if answers == found]
    assert fitting, (found, possible)
    after = await world.desired_where(app["id"], lambda it: it.intent in fitting)
    assert after.revision >= before.revision


def simulate(state: str, verbs: tuple[str, str]) -> tuple[tuple[Any, Any], Intent]:
    """What the table says of the two in this order. Only a cancel cares for what became of the deployment that was under way."""
    answers = []
    intent, waits = TABLE[state][0][1], state in UNDER_WAY
    is_superseded = False
    for verb in verbs:
        row = {R: "running", S: "stopped", P: "paused", D: "deleting"}[intent]
        answer, after, _ = dict(zip(VERBS, (*TABLE[row], *rest_of(row)), strict=True))[verb]
        if verb == "cancel" and waits and intent is not D:
            answer, after = ENDED if is_superseded else (200, None), intent
        is_superseded |= verb == "deploy" and state == "building"
        answers.append(answer)
        intent = after
    return (answers[0], answers[1]), intent
