"""Custom domains: claimed by anybody, routed only once DNS says whose they are."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import select, update

from libs.common import ids
from libs.common.bus import Bus
from libs.common.messages.api import Desired
from libs.common.messages.router import CertificateFailed, CertificateIssued
from services.api.apps.models import AppRow
from services.api.domains import service
from services.api.domains.dns import Resolver
from services.api.domains.models import DomainRow
from tests.servers.api import PASSWORD, ApiServer, World
from tests.servers.dns import DnsServer, Muffled
from tests.servers.nats import NatsServer
from tests.stack import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.1"
SOON, LATER = "2026-04-01T00:00:00.000Z", "2036-06-01T00:00:00.000Z"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServer]:
    server = DnsServer(tmp_path_factory.mktemp("dns"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def api_settings(names: DnsServer) -> Json:
    return {"dns_server": (names.address,), "public_addresses": (HERE,)}


@pytest.fixture
def name() -> str:
    return f"www.{ids.new('d').replace('_', '-')}.example"


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(api: ApiServer) -> tuple[httpx.AsyncClient, Json]:
    """Somebody else, with an app of their own."""
    email = f"{ids.new('u')}@example.com"
    await api.client.post("/users", json={"email": email, "password": PASSWORD})
    token = (await api.as_token(None).post("/auth/login", json={"email": email, "password": PASSWORD})).json()["token"]
    client = api.as_token(token)
    project = (await client.post("/projects", json={"name": "theirs"})).json()
    app = await client.post(f"/projects/{project['id']}/apps", json={"name": "theirs", "slug": ids.new("t").replace("_", "-")})
    return client, app.json()


async def add(client: httpx.AsyncClient, app: Json, name: str) -> Json:
    answer = await client.post(f"/apps/{app['id']}/domains", json={"name": name})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def leads(name: str) -> Any:
    return lambda desired: name in desired.hosts


async def hosts(world: World, app: Json) -> tuple[str, ...]:
    desired: Desired | None = await world.desired(app["id"])
    return desired.hosts if desired else ()


async def test_it_is_routed_once_dns_leads_here(api: ApiServer, world: World, app: Json, names: DnsServer, name: str) -> None:
    path = f"/apps/{app['slug']}/domains"
    made = await add(api.client, app, name.upper())
    assert (made["name"], made["status"], made["dns"]["ok"], made["dns"]["expected"]) == (name, "pending", False, [HERE])
    assert made["certificate"]["status"] == "none"
    assert (await api.client.get(f"/apps/{app['id']}")).json()["domains"] == [name]
    assert name not in await hosts(world, app)
    names.lead(name, HERE, ELSEWHERE)
    checked = (await api.client.post(f"{path}/{name}/check")).json()
    assert (checked["status"], checked["dns"]["found"]) == ("pending", [ELSEWHERE, HERE])
    names.lead(name, HERE)
    checked = (await api.client.post(f"{path}/{name}/check")).json()
    assert (checked["status"], checked["certificate"]["status"], checked["dns"]["ok"]) == ("active", "internal", True)
    assert (await world.desired_where(app["id"], leads(name))).hosts == (f"{app['slug']}-app.localhost", name)
    assert (await api.client.get(path)).json()["items"] == [(await api.client.get(f"{path}/{name}")).json()]
    assert (await api.client.delete(f"{path}/{name}")).status_code == 204
    await world.desired_where(app["id"], lambda desired: name not in desired.hosts)
    assert (await api.client.get(f"{path}/{name}")).status_code == 404
    assert (await api.client.get(f"/apps/{app['id']}")).json()["domains"] == []
    assert await kinds(api, app, 3) == ["domain.added", "domain.verified", "domain.removed"]


async def test_slow_name_servers_hold_up_nobody(api: ApiServer, world: World, app: Json, names: DnsServer, name: str) -> None:
    """A silent one is waited for, meanwhile others are asked; what leads here is not said to have left because nobody answers."""
    slow = f"slow.{name}"
    async with Muffled(names.address) as muffled:
        patient = Resolver(msgspec.structs.replace(api.settings, dns_server=(muffled.address,)), seconds=60)
        before, api.core.resolver = api.core.resolver, patient
        try:
            names.lead(slow, HERE)
            assert (await add(api.client, app, slow))["status"] == "active"
            muffled.silenced.add(slow)
            muffled.asked.clear()
            await _due(api, slow)

            async def is_asked() -> bool:
                return slow in muffled.asked

            await eventually(is_asked, 20, what="the silent one to be asked")
            await add(api.client, app, name)
            names.lead(name, HERE)
            await _due(api, name)
            await world.desired_where(app["id"], leads(name), seconds=20)
            assert (await _row(api, slow)).checks == 1, "it is still waited for"
        finally:
            api.core.resolver = before
        impatient = Resolver(msgspec.structs.replace(api.settings, dns_server=(muffled.address,)), seconds=0.2)
        seen = await service.look(impatient, slow)
        assert seen.silent
        async with api.core.db.begin() as tx:
            row = await tx.session.get_one(AppRow, app["id"])
            service.take(tx, row, await service.locked(tx, row, slow), seen)
    found = (await api.client.get(f"/apps/{app['id']}/domains/{slow}")).json()["dns"]
    assert (found["ok"], found["found"], found["error"]) == (True, [HERE], f"DNS does not answer for {slow}: LifetimeTimeout.")
    assert "domain.dns_changed" not in await kinds(api, app, 4)


async def test_dns_is_asked_again_by_itself(api: ApiServer, world: World, app: Json, names: DnsServer, name: str) -> None:
    """And a name that stops leading here stays routed: its owner is told, and nobody else's requests come by it."""
    await add(api.client, app, name)
    names.lead(name, HERE)
    await _due(api, name)
    await world.desired_where(app["id"], leads(name), seconds=15)
    names.lead(name, ELSEWHERE)
    await _due(api, name)
    assert await kinds(api, app, 3) == ["domain.added", "domain.verified", "domain.dns_changed"]
    found = (await api.client.get(f"/apps/{app['id']}/domains/{name}")).json()
    assert (found["status"], found["dns"]["ok"]) == ("active", False)
    assert name in await hosts(world, app)


async def test_a_record_in_the_zone_proves_it_too(api: ApiServer, world: World, app: Json, names: DnsServer, name: str) -> None:
    names.lead(name, ELSEWHERE)  # behind somebody's CDN
    made = await add(api.client, app, name)
    names.prove(made["verification"]["name"], made["verification"]["value"])
    checked = (await api.client.post(f"/apps/{app['id']}/domains/{name}/check")).json()
    assert (checked["status"], checked["dns"]["ok"]) == ("active", False)
    await world.desired_where(app["id"], leads(name))


@pytest.fixture
def leading(names: DnsServer, name: str) -> str:
    """A name that leads here."""
    names.lead(name, HERE)
    return name


async def test_nobody_can_sit_on_a_name(
    *, api: ApiServer, world: World, app: Json, names: DnsServer, leading: str, stranger: tuple[httpx.AsyncClient, Json]
) -> None:
    """A claim, routed or not, gives way to who can write into the zone, and to nobody else."""
    (client, theirs), name = stranger, leading
    await add(client, theirs, name)
    await world.desired_where(theirs["id"], leads(name))
    refused = await api.client.post(f"/apps/{app['id']}/domains", json={"name": name})
    assert (refused.status_code, refused.json()["code"]) == (409, "domain_taken")
    record = refused.json()["verification"]
    assert theirs["slug"] not in refused.text
    names.prove(record["name"], record["value"])
    assert (await add(api.client, app, name))["status"] == "active"
    await world.desired_where(app["id"], leads(name))
    await world.desired_where(theirs["id"], lambda desired: name not in desired.hosts)
    assert (await client.get(f"/apps/{theirs['id']}/domains")).json()["items"] == []
    assert "domain.removed" in await kinds(api, theirs, 3)
    again = await client.post(f"/apps/{theirs['id']}/domains", json={"name": name})
    assert again.json()["code"] == "domain_taken"


async def test_what_is_refused(api: ApiServer, app: Json, project: Json, name: str, stranger: tuple[httpx.AsyncClient, Json]) -> None:
    path = f"/apps/{app['id']}/domains"
    for body, code, pointer in (
        ({"name": "*.example.com"}, "validation_failed", "/name"),
        ({"name": "demo-app.localhost"}, "validation_failed", "/name"),
        ({"name": "127.0.0.1"}, "validation_failed", "/name"),
        ({"name": ""}, "validation_failed", "/name"),
        ({"name": 1}, "validation_failed", "/name"),
        ({}, "validation_failed", "/name"),
        ({"name": name, "wildcard": True}, "unknown_field", "/wildcard"),
    ):
        answer = await api.client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (400, code, pointer), body
    await add(api.client, app, name)
    assert (await api.client.post(path, json={"name": f"{name}."})).json()["code"] == "domain_taken"
    other = (await api.client.post(f"/projects/{project['id']}/apps", json={"name": "x", "slug": ids.new("o").replace("_", "-")})).json()
    assert (await api.client.post(f"/apps/{other['id']}/domains", json={"name": name})).json()["code"] == "domain_taken"
    client, _ = stranger
    for answer in (await client.get(path), await client.post(f"{path}/{name}/check"), await client.delete(f"{path}/{name}")):
        assert answer.status_code == 404
    for missing in (f"{path}/nothing.example", f"{path}/a..b", f"{path}/1.2.3.4"):
        assert (await api.client.get(missing)).json()["code"] == "not_found"
    assert (await api.client.get(path, params={"cursor": "x"})).json()["code"] == "invalid_cursor"
    changed = await api.client.put(f"/apps/{app['id']}", json={"domains": []})
    assert changed.json()["code"] == "read_only_field"
    whole = (await api.client.get(f"/apps/{app['id']}")).json()
    assert (await api.client.put(f"/apps/{app['id']}", json=whole)).status_code == 200


async def test_a_deleted_app_lets_go(api: ApiServer, app: Json, project: Json, name: str) -> None:
    await add(api.client, app, name)
    await api.client.delete(f"/apps/{app['id']}")
    next_one = await api.client.post(f"/projects/{project['id']}/apps", json={"name": "x", "slug": ids.new("n").replace("_", "-")})
    await add(api.client, next_one.json(), name)


async def test_what_the_routers_say_of_certificates(api: ApiServer, bus_server: NatsServer, app: Json, leading: str) -> None:
    """It is kept by name; what holds stays `active` while another cannot be had, and old news changes nothing."""
    await add(api.client, app, leading)
    path = f"/apps/{app['id']}/domains"
    router = await Bus.connect(bus_server.url, "router")

    async def say(event: CertificateIssued | CertificateFailed, count: int) -> Json:
        await router.say(event, app["id"])
        await kinds(api, app, count, "certificate.")
        found: Json = (await api.client.get(f"{path}/{leading}")).json()["certificate"]
        return found

    failed = CertificateFailed(
        event_id=ids.new("e"), at="2026-03-01T00:00:00.000Z", app_id=app["id"], host=leading, error="dns: no", retry_at=SOON, attempts=1
    )
    issued = CertificateIssued(
        event_id=ids.new("e"), at="2026-03-02T00:00:00.000Z", app_id=app["id"], host=leading, issuer="An authority", expires_at=LATER
    )
    again = msgspec.structs.replace(failed, event_id=ids.new("e"), at="2026-03-03T00:00:00.000Z")
    old = msgspec.structs.replace(failed, event_id=ids.new("e"), at="2026-02-01T00:00:00.000Z", error="older")
    renewed = msgspec.structs.replace(issued, event_id=ids.new("e"), at="2026-03-04T00:00:00.000Z", renewals=1)
    assert await say(failed, 1) == {"status": "failed", "expires_at": None, "issuer": None, "error": "dns: no", "retry_at": SOON}
    good = {"status": "active", "expires_at": LATER, "issuer": "An authority", "error": None, "retry_at": None}
    assert await say(issued, 2) == good
    assert await say(again, 3) == {**good, "error": "dns: no", "retry_at": SOON}
    await router.say(old, app["id"])
    assert await say(renewed, 4) == good
    await router.close()
    await api.client.delete(f"{path}/{leading}")
    assert (await add(api.client, app, leading))["certificate"] == good
    wanted = ["certificate.failed", "certificate.issued", "certificate.failed", "certificate.renewed"]
    assert await kinds(api, app, 4, "certificate.") == wanted


async def kinds(api: ApiServer, app: Json, count: int, prefix: str = "domain.") -> list[str]:
    """The types of the app's events about domains, once there are so many."""

    async def ask() -> list[str] | None:
        items = (await api.client.get(f"/apps/{app['id']}/events", params={"limit": 200, "after": 0})).json()["items"]
        found = [item["type"] for item in items if item["type"].startswith(prefix)]
        return found if len(found) >= count else None

    found = await eventually(ask, what=f"{count} events {prefix}")
    assert found
    return found


async def _row(api: ApiServer, name: str) -> DomainRow:
    async with api.core.db.read() as session:
        return (await session.execute(select(DomainRow).where(DomainRow.name == name))).scalar_one()


async def _due(api: ApiServer, name: str) -> None:
    """As if its time had come."""
    async with api.core.db.begin() as tx:
        await tx.connection.execute(update(DomainRow).where(DomainRow.name == name).values(next_check_at=0.0))
