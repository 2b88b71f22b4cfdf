"""The bus goes away and comes back; events that nobody can take; several APIs share one database. What was accepted happens once."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from libs.common import subjects
from libs.common.states import Intent
from services.api import cursor
from services.api.deployments.models import DeploymentRow, ReleaseRow
from tests.integration.api.faults.conftest import (
    PATIENCE,
    bring_live,
    gone,
    make,
    newest,
    status_is,
    until,
)
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer


async def test_work_waits_for_the_bus(api: ApiServer, world: World, nats_server: NatsServer) -> None:
    nats_server.kill()
    deployment = await make(api, "waits")
    assert (await api.client.get("/apps/waits")).json()["status"] == "starting"
    nats_server.start()
    assert (await world.command(deployment["app_id"], PATIENCE))["deployment_id"] == deployment["id"]
    await bring_live(api, world, deployment)


async def test_what_was_left_goes_before_what_is_new(api: ApiServer, nats_server: NatsServer) -> None:
    """The feed of an app keeps the order of its transactions, also where the bus was away for some of them."""
    await make(api, "ordered")
    nats_server.kill()
    await until(lambda: _answer(not api.core.bus.connected))
    for replicas in (2, 3):
        assert (await api.client.put("/apps/ordered", json={"replicas": replicas})).status_code == 200
    nats_server.start()
    await until(lambda: _answer(api.core.bus.connected))
    assert (await api.client.put("/apps/ordered", json={"replicas": 4})).status_code == 200
    scales = await until(partial(_scales, api, 3))
    assert [event["data"]["to"] for event in scales] == [2, 3, 4]


async def _answer(value: bool) -> bool:  # noqa: FBT001 - what `until` awaits
    return value


async def _scales(api: ApiServer, number: int) -> list[dict[str, Any]] | None:
    feed = (await api.client.get("/apps/ordered/events?limit=200")).json()["items"]
    found = [event for event in feed if event["type"] == "app.scaled"]
    return found if len(found) == number else None


async def test_what_the_builder_buried_ends(api: ApiServer, world: World) -> None:
    deployment = await make(api, "buried")
    command = await world.command(deployment["app_id"])
    headers = {"Nats-Msg-Id": command["command_id"], "Dockup-Reason": "cannot be read"}
    await world.builder.store(subjects.dead("builder", deployment["app_id"]), b"{}", headers)
    async with api.core.db.begin() as tx:  # it was asked long ago
        asked = update(DeploymentRow).where(DeploymentRow.id == deployment["id"]).values(asked_at="2026-01-01T00:00:00.000Z")
        await tx.connection.execute(asked)
    api.core.look_at_bus()
    failed = await until(lambda: status_is(api, deployment, "failed")) and (await api.client.get(f"/deployments/{deployment['id']}")).json()
    assert failed["failure"]["code"] == "internal_error"
    assert "cannot be read" in failed["failure"]["message"]


async def test_what_nobody_can_read_is_passed_over(api: ApiServer, world: World) -> None:
    await world.runtime.store("dockup.evt.runtime.FromTheFuture._", b"{}", {"Nats-Msg-Id": "1"})
    await world.runtime.store("dockup.evt.runtime.ReleaseLive._", b"not json", {"Nats-Msg-Id": "2"})
    await world.runtime.store("dockup.evt.runtime.ReleaseLive.x.y.z", b"{}", {"Nats-Msg-Id": "3"})
    deployment = await make(api, "goes-on")
    await bring_live(api, world, deployment)


async def test_an_event_whose_reaction_fails_holds_up_no_other(api: ApiServer, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "_LONGEST_PAUSE", 0.1)  # three tries go before
    broken, whole = await make(api, "broken"), await make(api, "whole")
    async with api.core.db.begin() as tx:
        await tx.connection.execute(delete(ReleaseRow).where(ReleaseRow.app_id == broken["app_id"]))
    await world.image_ready(broken)
    await bring_live(api, world, whole)
    async with api.core.db.connect() as connection:
        query = select(DeploymentRow.status, DeploymentRow.started_at).where(DeploymentRow.id == broken["id"])
        assert (await connection.execute(query)).one() == ("queued", None), "nothing of a reaction that failed is left"


async def test_a_restart_of_the_api_loses_nothing(
    api: ApiServer, world: World, nats_server: NatsServer, tmp_path: Path, database_url: str
) -> None:
    deployment = await make(api, "restarted")
    await world.command(deployment["app_id"])
    await api.stop()
    await world.image_ready(deployment)
    again = ApiServer(tmp_path, nats_server.url, database_url, secret_key=api.settings.secret_key)
    await again.start()
    try:
        await until(lambda: status_is(again, deployment, "deploying"))
        await world.live(deployment)
        await until(lambda: status_is(again, deployment, "live"))
    finally:
        await again.stop()


async def test_two_apis_are_one(api: ApiServer, world: World, nats_server: NatsServer, tmp_path: Path, database_url: str) -> None:
    other = ApiServer(tmp_path, nats_server.url, database_url, secret_key=api.settings.secret_key)
    await other.start()
    try:
        made = await make(api, "shared")
        waiting = asyncio.create_task(other.client.get(f"/apps/shared/events?wait={PATIENCE}&after=0"))
        assert (await waiting).json()["items"]
        deployments = [made] + [(await side.client.post("/apps/shared/deploy")).json() for side in (other, api) * 3]
        assert [it["number"] for it in deployments] == list(range(1, 8))
        waiting = asyncio.create_task(other.client.post(f"/apps/shared/deploy?wait={PATIENCE}"))
        last = await until(lambda: newest(api, 8))
        await bring_live(api, world, last)
        assert (await waiting).status_code == 200
        key = (await api.client.post("/api-keys", json={"name": "k", "scopes": ["read"]})).json()
        reader = other.as_token(key["key"])
        assert (await reader.get("/apps/shared")).json()["status"] in {"running", "starting"}
        await api.client.delete(f"/api-keys/{key['id']}")
        assert (await reader.get("/apps/shared")).status_code == 401
        feed = (await other.client.get("/apps/shared/events?limit=200")).json()["items"]
        assert [event["type"] for event in feed].count("deployment.live") == 1
    finally:
        await other.stop()


async def test_an_entry_from_before_never_comes_back(api: ApiServer, world: World) -> None:
    """`(epoch, revision)` of `desired` never falls, whoever writes late."""
    deployment = await make(api, "late")
    app_id = deployment["app_id"]
    before = await world.desired_where(app_id, lambda it: it.revision >= 1)
    await api.client.post("/apps/late/stop")
    await world.desired_where(app_id, lambda it: it.intent is Intent.STOPPED)
    await api.core.relay.write(before)
    after = await world.desired(app_id)
    assert after
    assert (after.intent, after.revision > before.revision) == (Intent.STOPPED, True)
    await api.client.delete("/apps/late")
    await world.desired_where(app_id, lambda it: it.intent is Intent.DELETED)
    await world.removed(app_id)
    await until(lambda: gone(world, app_id))
    await api.core.relay.write(before)
    assert await world.desired(app_id) is None
