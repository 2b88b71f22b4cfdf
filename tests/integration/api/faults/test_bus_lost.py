"""The bus comes back empty, or half made. What was accepted happens once."""

from pathlib import Path

import pytest
from nats.js import JetStreamContext
from sqlalchemy import select

from libs.common import streams, subjects
from libs.common.bucket import Bucket
from libs.common.messages.api import Complete
from libs.common.states import Intent
from services.api.db.tables import OutboxRow
from tests.integration.api.faults.conftest import PATIENCE, bring_live, gone, is_complete, is_told_of, make, says_live, until
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer


async def test_a_wiped_bus_is_filled_again(api: ApiServer, world: World, nats_server: NatsServer) -> None:
    first = await make(api, "wiped")
    await world.command(first["app_id"])
    await bring_live(api, world, first)
    second = await make(api, "wiped")
    await world.command(first["app_id"])
    seen = (await api.client.get("/apps/wiped/events?limit=200")).json()
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()

    await until(lambda: is_complete(world))
    desired = await world.desired(first["app_id"])
    assert desired
    assert desired.current
    assert desired.current.deployment_id == first["id"]
    world.forget()
    again = await world.command(first["app_id"], PATIENCE)
    assert again["command_id"] == f"{second['id']}.prepare"
    await bring_live(api, world, second)
    feed = (await api.client.get("/apps/wiped/events?limit=200")).json()["items"]
    assert feed[: len(seen["items"])] == seen["items"]
    assert all(event["seq"] > seen["items"][-1]["seq"] for event in feed[len(seen["items"]) :])
    assert [event["type"] for event in feed].count("deployment.live") == 2


@pytest.mark.parametrize("how", ["breaks off", "another was first"])
async def test_streams_that_were_made_and_no_more(
    api: ApiServer, world: World, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A look that breaks off once all is made, or that comes after another process made it: the bucket is filled all the same."""
    deployment = await make(api, "half")
    await world.image_ready(deployment)
    await world.desired_where(deployment["app_id"], lambda it: it.candidate is not None)
    make_rest = streams.ensure_all_but_events

    async def half(js: JetStreamContext) -> list[str]:
        made = await make_rest(js)
        if made and how == "breaks off":
            raise TimeoutError("an answer was lost")
        return []

    monkeypatch.setattr(streams, "ensure_all_but_events", half)
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()

    async def is_told() -> bool:
        try:
            found = await world.desired(deployment["app_id"])
        except Exception:  # noqa: BLE001 - no bucket yet
            return False
        return found is not None and found.candidate is not None

    await until(is_told)
    await until(lambda: is_complete(world))
    world.forget()
    await until(lambda: says_live(api, world, deployment))


async def test_complete_said_of_another_bucket_counts_for_nothing(
    api: ApiServer, world: World, nats_server: NatsServer, tmp_path: Path, database_url: str
) -> None:
    """What a process that was filling the bucket before says late, into the one that came after it."""
    deployment = await make(api, "other")
    await until(lambda: is_told_of(world, deployment))
    await until(lambda: nothing_is_left_to_say(api))
    bucket = Bucket(world.runtime, subjects.DESIRED, Complete)
    await bucket.delete(deployment["app_id"])
    await bucket.put(subjects.COMPLETE_KEY, Complete(epoch=1, bucket="one before"))
    other = ApiServer(tmp_path, nats_server.url, database_url, secret_key=api.settings.secret_key)
    await other.start()
    try:
        await until(lambda: is_told_of(world, deployment))
    finally:
        await other.stop()


async def nothing_is_left_to_say(api: ApiServer) -> bool:
    async with api.core.db.connect() as connection:
        return (await connection.execute(select(OutboxRow.id))).first() is None


async def test_an_image_that_comes_after_its_app_went_is_collected(api: ApiServer, world: World, nats_server: NatsServer) -> None:
    deployment = await make(api, "late-image")
    app_id = deployment["app_id"]
    assert (await world.command(app_id))["command_id"] == f"{deployment['id']}.prepare"
    await api.client.delete("/apps/late-image")
    await world.desired_where(app_id, lambda it: it.intent is Intent.DELETED)
    await world.removed(app_id)
    assert (await world.command(app_id))["command_id"] == f"{app_id}.collect"
    await until(lambda: gone(world, app_id))
    await world.image_ready(deployment)
    late = await world.command(app_id)
    assert (late["command_id"], late["keep"]) == (f"{app_id}.collect.{deployment['id']}", [])
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()
    world.forget()
    assert (await world.command(app_id, PATIENCE))["command_id"] == f"{app_id}.collect"
