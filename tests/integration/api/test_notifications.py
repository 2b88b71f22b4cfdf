"""Outgoing hooks: what happens is told once to who wants it, signed, again after a failure, and nobody waits for anybody."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from sqlalchemy import insert, select, update

from libs.common import clock, ids
from libs.common.secrets import Vault
from services.api.core import Core
from services.api.db import tries
from services.api.notifications import upkeep
from services.api.notifications.deliveries import again
from services.api.notifications.matching import to_tell
from services.api.notifications.models import NotificationDeliveryRow, NotificationRow
from services.api.notifications.schemas import Notice, NotificationUpdate
from services.api.notifications.sending import Sender
from services.api.notifications.service import Target, change
from services.api.projects.models import ProjectRow
from tests.servers.api import ApiServer, World
from tests.servers.receiver import Call, Receiver
from tests.stack.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def api_settings() -> Json:
    return {"egress_allow": ("127.0.0.1",)}


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def home_of(api: ApiServer) -> str:
    """The path of a new project's hooks."""
    project = (await api.client.post("/projects", json={"name": ids.new("p")})).json()
    return f"/projects/{project['id']}/notifications"


async def make(api: ApiServer, path: str, url: str, **fields: Any) -> Json:
    answer = await api.client.post(path, json={"name": "told", "url": url, **fields})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert made == (await api.client.get(answer.headers["location"].removeprefix("/api/v1"))).json()
    return made


async def new_app(api: ApiServer, path: str) -> Json:
    """One whose making is in the feed."""
    slug = f"n-{ids.new('s')[-12:]}"
    made: Json = (await api.client.post(f"{path.removesuffix('/notifications')}/apps", json={"name": slug, "slug": slug})).json()

    async def told() -> bool:
        return bool((await api.client.get(f"/apps/{slug}/events")).json()["items"])

    await eventually(told, what="app.created")
    return made


async def came(receiver: Receiver, path: str, count: int = 1) -> list[Call]:
    async def enough() -> bool:
        return len(receiver.of(path)) >= count

    await eventually(enough, what=f"{count} calls of {path}")
    return receiver.of(path)


def is_signed(call: Call, secret: str) -> bool:
    """As a receiver would check it, by the text of Standard Webhooks."""
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return call.headers["webhook-signature"] == f"v1,{expected}"


async def test_what_happens_is_told_once_and_signed(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    before = await new_app(api, home_of)
    hook = await make(api, home_of, f"{receiver.url}/all?team=a", events=["app.*"])
    only = await make(api, home_of, f"{receiver.url}/one", events=["*"], apps=[before["slug"]])
    assert only["apps"] == [before["id"]]
    app = await new_app(api, home_of)
    (call,) = await came(receiver, "/all")
    assert is_signed(call, hook["secret"])
    assert call.headers["host"] == receiver.url.removeprefix("http://")
    told = msgspec.json.decode(call.body)
    assert (told["type"], told["app"]["slug"], told["app"]["url"]) == ("app.created", app["slug"], app["url"])
    events = (await api.client.get(f"/apps/{app['id']}/events")).json()["items"]
    assert told["seq"] == events[0]["seq"]

    async def delivered() -> bool:
        page = (await api.client.get(f"{home_of}/{hook['id']}/deliveries")).json()
        (one,) = page["items"]
        return (one["status"], one["attempts"], one["response_status"], one["seq"]) == ("delivered", 1, 204, told["seq"])

    await eventually(delivered, what="the delivery")
    await api.client.put(f"/apps/{before['id']}", json={"name": "Changed"})
    (one,) = await came(receiver, "/one")
    assert msgspec.json.decode(one.body)["type"] == "app.updated"
    assert len(await came(receiver, "/all", 2)) == 2


async def test_a_failure_is_tried_again_with_the_same_id(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    receiver.answers[:] = [503, 302]
    hook = await make(api, home_of, f"{receiver.url}/again")
    tried = (await api.client.post(f"{home_of}/{hook['id']}/test")).json()
    assert (tried["status"], tried["event"], tried["seq"]) == ("pending", "notification.test", None)
    calls = await came(receiver, "/again", 3)
    assert {call.headers["webhook-id"] for call in calls} == {tried["id"]}
    assert all(is_signed(call, hook["secret"]) for call in calls)
    assert not receiver.of("/elsewhere"), "a redirect is not followed"
    await api.client.post(f"{home_of}/{hook['id']}/deliveries/{tried['id']}/redeliver")
    await came(receiver, "/again", 4)


async def test_who_is_gone_is_told_nothing_more(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    receiver.answers[:] = [410]
    hook = await make(api, home_of, f"{receiver.url}/gone")
    await api.client.post(f"{home_of}/{hook['id']}/test")

    async def is_off() -> bool:
        seen = (await api.client.get(f"{home_of}/{hook['id']}")).json()
        return not seen["active"] and "410" in seen["problem"]

    await eventually(is_off, what="the hook to be switched off")
    (delivery,) = (await api.client.get(f"{home_of}/{hook['id']}/deliveries")).json()["items"]
    assert (delivery["status"], delivery["response_status"], delivery["detail"]) == ("failed", 410, "410 Gone: no, thanks")
    on = (await api.client.put(f"{home_of}/{hook['id']}", json={"active": True})).json()
    assert (on["active"], on["problem"]) == (True, None)


async def test_one_that_no_key_opens_hides_no_other(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    """As after a database was put back without its key: it is shown with its problem, and mended by a new address."""
    broken = await make(api, home_of, f"{receiver.url}/lost")
    whole = await make(api, home_of, f"{receiver.url}/whole")
    path = f"{home_of}/{broken['id']}"
    async with api.core.db.begin() as tx:
        row = await tx.session.get_one(NotificationRow, broken["id"])
        row.sealed = Vault(Fernet.generate_key().decode()).seal({"url": "https://x.example/", "secret": None})
    listed = (await api.client.get(home_of)).json()["items"]
    assert [(one["id"], one["url"]) for one in listed] == [(broken["id"], ""), (whole["id"], whole["url"])]
    assert "DOCKUP_SECRET_KEY" in listed[0]["problem"]
    assert (await api.client.get(path)).json() == listed[0]
    await api.client.post(f"{path}/test")

    async def is_told() -> bool:
        (delivery,) = (await api.client.get(f"{path}/deliveries")).json()["items"]
        return delivery["attempts"] > 0 and "DOCKUP_SECRET_KEY" in delivery["detail"]

    await eventually(is_told, what="the try")
    assert (await api.client.put(path, json={"name": "Renamed"})).json()["url"] == ""
    mended = (await api.client.put(path, json={"url": broken["url"]})).json()
    assert (mended["url"], mended["problem"], mended["name"]) == (broken["url"], None, "Renamed")
    assert mended["secret"] != broken["secret"]
    (call,) = await came(receiver, "/lost")
    assert is_signed(call, mended["secret"]), "what waited is sent to the new address"


async def test_switched_off_it_is_told_nothing(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    receiver.answers[:] = [503]
    hook = await make(api, home_of, f"{receiver.url}/off")
    await api.client.post(f"{home_of}/{hook['id']}/test")
    await came(receiver, "/off")
    await api.client.put(f"{home_of}/{hook['id']}", json={"active": False})
    (delivery,) = (await api.client.get(f"{home_of}/{hook['id']}/deliveries")).json()["items"]
    assert (delivery["status"], delivery["next_attempt_at"]) == ("failed", None)


@pytest_asyncio.fixture(loop_scope="module")
async def alone(api: ApiServer, tmp_path: Path) -> AsyncIterator[Core]:
    """A database that nobody else sends from, with a project."""
    core = await Core.open(msgspec.structs.replace(api.settings, database_url=f"sqlite+aiosqlite:///{tmp_path}/alone.db"))
    async with core.db.begin() as tx:
        tx.session.add(ProjectRow.made("prj_1", "p", None, clock.now()))
    yield core
    await core.db.close()


async def wait_for(core: Core, url: str, **counts: int) -> None:
    """Hooks of these names, each with so many that are due, all of a hook's before the next hook's."""
    notice = Notice(type="a.b", at="", seq=1, project_id="prj_1", app=None, deployment_id=None, level="info", message="", data={})
    async with core.db.begin() as tx:
        for name in counts:
            sealed = core.vault.seal(Target(url=f"{url}/{name}", secret=None))
            of = {"id": name, "project_id": "prj_1", "name": name, "kind": "webhook", "events": "[]", "sealed": sealed}
            await tx.connection.execute(insert(NotificationRow).values(**of, from_seq=0, created_at=clock.now()))
        rows = [to_tell(name, str(number), notice) for name, count in counts.items() for number in range(count)]
        rows = [{**row, "next_at": float(number)} for number, row in enumerate(rows, 1)]
        await tx.connection.execute(insert(NotificationDeliveryRow), rows)


async def test_a_backlog_hides_nobody(alone: Core, receiver: Receiver) -> None:
    """More of one hook is due than is looked at at a time, all of it older than what another waits for."""
    receiver.gate.clear()
    await wait_for(alone, receiver.url, slow=tries.MOST + 1, behind=1)
    async with Sender(alone) as sender:
        await sender.tell_due()
        await came(receiver, "/behind")
    assert len(receiver.of("/slow")) == 1
    receiver.gate.set()


@pytest.mark.parametrize("is_off", [True, False])
async def test_what_waits_behind_a_slow_answer_goes_where_the_hook_leads_then(alone: Core, receiver: Receiver, *, is_off: bool) -> None:
    receiver.gate.clear()
    await wait_for(alone, receiver.url, slow=2)
    body = NotificationUpdate(active=False) if is_off else NotificationUpdate(url=f"{receiver.url}/other")
    async with Sender(alone) as sender:
        await sender.tell_due()
        await came(receiver, "/slow")
        async with alone.db.begin() as tx:
            await change(tx, await tx.session.get_one(NotificationRow, "slow"), body)
        receiver.gate.set()
        await asyncio.wait_for(alone.notify.wait(), 30)
    assert [call.path for call in receiver.calls] == (["/slow"] if is_off else ["/slow", "/other"])
    async with alone.db.connect() as connection:
        states = (await connection.execute(select(NotificationDeliveryRow.status).order_by(NotificationDeliveryRow.id))).scalars().all()
    assert states == (["failed"] * 2 if is_off else ["delivered"] * 2)


async def test_a_receiver_that_is_down_is_not_asked_for_each_event(alone: Core, receiver: Receiver) -> None:
    await wait_for(alone, receiver.url, down=20)
    receiver.answers[:] = [503]
    async with Sender(alone) as sender:
        await sender.tell_due()
        await asyncio.wait_for(alone.notify.wait(), 30)
        alone.notify.clear()
        await wait_for(alone, receiver.url, up=1)
        await sender.tell_due()
        await came(receiver, "/up")
        await asyncio.wait_for(alone.notify.wait(), 30)
        assert len(receiver.of("/down")) == 1
        async with alone.db.begin() as tx:
            query = select(NotificationDeliveryRow).where(
                NotificationDeliveryRow.attempts == 1, NotificationDeliveryRow.status == "pending"
            )
            (failed,) = (await tx.session.execute(query)).scalars()
            await again(tx, await tx.session.get_one(NotificationRow, "down"), failed.id)
        alone.notify.clear()
        await sender.tell_due()
        await asyncio.wait_for(alone.notify.wait(), 30)
        await sender.tell_due()
        await came(receiver, "/down", 21)


async def test_a_slow_one_holds_up_nobody(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    receiver.gate.clear()
    await make(api, home_of, f"{receiver.url}/slow", events=["app.*"])
    await make(api, home_of, f"{receiver.url}/quick", events=["app.*"])
    for _ in range(3):
        await new_app(api, home_of)
    await came(receiver, "/quick", 3)
    assert len(await came(receiver, "/slow")) == 1
    receiver.gate.set()
    await came(receiver, "/slow", 3)


async def test_what_is_old_goes(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    """Deliveries after a month, and hooks a day after their project; they are told of its end."""
    hook = await make(api, home_of, f"{receiver.url}/end", events=["project.deleted"])
    project = hook["project_id"]
    assert (await api.client.delete(f"/projects/{project}")).is_success
    await came(receiver, "/end")
    await upkeep.purge(api.core)
    async with api.core.db.begin() as tx:
        assert await tx.session.get(NotificationRow, hook["id"])
        await tx.connection.execute(update(ProjectRow).where(ProjectRow.id == project).values(gone_at="2020-01-01T00:00:00.000Z"))
    await upkeep.purge(api.core)
    async with api.core.db.read() as session:
        assert await session.get(NotificationRow, hook["id"]) is None
        told = select(NotificationDeliveryRow).where(NotificationDeliveryRow.notification_id == hook["id"])
        assert not (await session.execute(told)).all(), "they go with their hook"


async def test_slack_reads_a_sentence(api: ApiServer, world: World, receiver: Receiver, home_of: str) -> None:
    hook = await make(api, home_of, f"{receiver.url}/slack", kind="slack", events=["app.created"])
    assert hook["secret"] is None
    app = await new_app(api, home_of)
    (call,) = await came(receiver, "/slack")
    assert msgspec.json.decode(call.body)["text"].startswith(f"<{app['url']}|{app['name']}>: ")
    assert "webhook-signature" not in call.headers


async def test_what_is_refused(api: ApiServer, home_of: str, app: Json) -> None:
    wrong = [
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "http://example.com/"}, "/url"),
        ({"url": "ftp://example.com"}, "/url"),
        ({"url": "https://me:pw@example.com"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["deployment"]}, "/events/0"),
        ({"apps": [app["id"]]}, "/apps/0"),
    ]
    for fields, pointer in wrong:
        answer = await api.client.post(home_of, json={"name": "told", "url": "https://127.0.0.1/", **fields})
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed"), (fields, answer.text)
        assert answer.json()["errors"][0]["pointer"] == pointer, answer.text
    hook = await make(api, home_of, "https://127.0.0.1/", active=False)
    changed = await api.client.put(f"{home_of}/{hook['id']}", json={**hook, "secret": "whsec_other"})
    assert (changed.status_code, changed.json()["code"]) == (400, "read_only_field")
    assert (await api.client.put(f"{home_of}/{hook['id']}", json=hook)).json() == hook
    for _ in range(19):
        await make(api, home_of, "https://127.0.0.1/", active=False)
    full = await api.client.post(home_of, json={"name": "told", "url": "https://127.0.0.1/"})
    assert (full.status_code, full.json()["code"]) == (409, "quota_exceeded")
    assert (await api.client.delete(f"{home_of}/{hook['id']}")).status_code == 204
    assert (await api.client.get(f"{home_of}/{hook['id']}")).status_code == 404


@pytest_asyncio.fixture(loop_scope="module")
async def other(api: ApiServer, world: World) -> AsyncIterator[ApiServer]:
    """Another process of the same API."""
    its = {name: getattr(api.settings, name) for name in ("secret_key", "egress_allow")}
    server = ApiServer(Path(api.settings.home), api.settings.nats_url, api.settings.database_url, **its)
    await server.start()
    yield server
    await server.stop()


async def test_two_processes_tell_once(api: ApiServer, other: ApiServer, receiver: Receiver, home_of: str) -> None:
    hook = await make(api, home_of, f"{receiver.url}/two", events=["app.created"])
    await asyncio.gather(*(new_app(each, home_of) for each in (api, other) * 5))
    calls = await came(receiver, "/two", 10)

    async def ended() -> bool:
        page = (await api.client.get(f"{home_of}/{hook['id']}/deliveries")).json()["items"]
        return [one["status"] for one in page] == ["delivered"] * 10

    await eventually(ended, what="ten deliveries")
    assert len({call.headers["webhook-id"] for call in calls}) == len(receiver.of("/two")) == 10
