"""Another secret key: everything that is stored is put under it, also when the first try is killed, and the old one is needed no more."""

import re
import signal
import sys
from asyncio import create_subprocess_exec
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, text

from libs.common import clock, subjects
from libs.common.bucket import Bucket
from libs.common.messages.api import Front
from libs.common.messages.router import Certificate
from libs.common.messages.runtime import Route
from libs.common.secrets import Vault, fingerprint
from services.api.accounts.models import ApiKeyRow
from services.api.db.database import Database
from services.api.db.models import Base
from tests.integration.api.faults.conftest import bring_live, make, until
from tests.servers.api import ApiServer, World
from tests.servers.nats import NatsServer

_TOKEN = re.compile(r"gAAAAA[\w-]{60,}=*")
_KEYS = 250
_NEW_ENV = {"API_TOKEN": "not to be lost", "MODE": "x"}
_KILLED = """
import asyncio, os, signal, sys
from libs.common.secrets import Vault
from services.api.db.database import Database
from services.api.secrets.rotation import rotate

class Dies(Vault):
    left = int(sys.argv[3])

    def reseal(self, token):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reseal(token)

async def main():
    await rotate(await Database.open(sys.argv[1]), Dies(sys.argv[2]))

asyncio.run(main())
"""


async def tokens(url: str) -> list[str]:
    """Every sealed value that stands anywhere in the database, whichever table has it."""
    database = await Database.open(url)
    found: list[str] = []
    try:
        async with database.connect() as connection:
            for table in Base.metadata.sorted_tables:
                for row in await connection.execute(text(f'SELECT * FROM "{table.name}"')):  # noqa: S608 - the model's own names
                    found += _TOKEN.findall(" ".join(bytes(cell).decode() if isinstance(cell, bytes) else str(cell) for cell in row))
    finally:
        await database.close()
    return found


async def fill(api: ApiServer, world: World) -> dict[str, Any]:
    """A live app with a change that waits, one that is gone, an answer to a key of idempotency, and many API keys."""
    deployment = await make(api, "kept")
    app = f"/apps/{deployment['app_id']}"
    await api.client.put(f"{app}/env", json=_NEW_ENV)
    again: dict[str, Any] = (await api.client.post(f"{app}/deploy", headers={"Idempotency-Key": "once"})).json()
    await bring_live(api, world, again)
    me = (await api.client.get("/auth/me")).json()
    rows = [
        {
            "id": f"key_{n:04}",
            "user_id": me["id"],
            "name": "k",
            "fingerprint": fingerprint(f"dkp_{n}"),
            "sealed": api.core.vault.seal(f"dkp_{n}"),
        }
        | {"scopes": "read", "project_id": None, "expires_at": None, "created_at": clock.now()}
        for n in range(_KEYS)
    ]
    async with api.core.db.begin() as tx:
        await tx.connection.execute(insert(ApiKeyRow), rows)
    return again


@pytest.mark.parametrize("at", [130, _KEYS + 4], ids=["among keys", "among apps"])
async def test_killed_in_the_middle(tmp_path: Path, nats_server: NatsServer, database_url: str, world: World, at: int) -> None:
    api = ApiServer(tmp_path, nats_server.url, database_url)
    await api.start()
    deployment = await fill(api, world)
    before = (await api.client.get(f"/apps/{deployment['app_id']}")).json()
    wish = await world.desired_where(deployment["app_id"], lambda it: it.current is not None)
    await api.stop()

    old, new = api.settings.secret_key, Fernet.generate_key().decode()
    both = f"{new},{old}"
    killed = await create_subprocess_exec(sys.executable, "-c", _KILLED, database_url, both, str(at))
    assert await killed.wait() == -signal.SIGKILL
    left = [token for token in await tokens(database_url) if Vault(both).key_of(token) == 1]
    assert left, "it was killed before the end"
    assert at == _KEYS + 4 or len(left) >= _KEYS - 100, "what was not committed is as it was"

    api = ApiServer(tmp_path, nats_server.url, database_url, secret_key=both)
    await api.start()
    done = (await api.client.post("/system/secrets/rotate")).json()
    assert 0 < done["values"] < _KEYS + 12, "what was done before is not done again"
    assert (await api.client.post("/system/secrets/rotate")).json() == {"values": 0}

    async def unused() -> bool:
        seen = (await api.client.get("/system/secrets")).json()
        return bool(seen["keys"][1]["values"] == 0 and seen["unreadable"] == 0)

    await until(unused)
    after = (await api.client.get(f"/apps/{deployment['app_id']}")).json()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}, "nothing is pending that was not"
    again = await world.desired_where(deployment["app_id"], lambda it: it.revision > wish.revision)
    assert again.current is not None
    assert Vault(new).open(again.current.env, dict[str, str]) == _NEW_ENV
    await api.stop()

    found = await tokens(database_url)
    assert len(found) > _KEYS
    assert not [token for token in found if Vault(old).key_of(token) is not None], "the old key alone opens nothing"
    assert not [token for token in found if Vault(new).key_of(token) is None]
    await _with_the_new_key_alone(ApiServer(tmp_path, nats_server.url, database_url, secret_key=new), deployment)


async def _with_the_new_key_alone(api: ApiServer, deployment: dict[str, Any]) -> None:
    await api.start()
    app = f"/apps/{deployment['app_id']}"
    assert (await api.client.get(f"{app}/env", params={"reveal": "true"})).json() == _NEW_ENV
    replay = await api.client.post(f"{app}/deploy", headers={"Idempotency-Key": "once"})
    assert (replay.headers["idempotent-replay"], replay.json()["id"]) == ("true", deployment["id"])
    email, password = api.settings.admin_email, api.settings.admin_password
    token = (await api.client.post("/auth/login", json={"email": email, "password": password})).json()["token"]
    async with api.as_token(token) as owner:
        assert (await owner.get("/api-keys/key_0000")).json()["key"] == "dkp_0"
    await api.stop()


async def test_a_key_that_is_lost_is_told_and_nothing_is_changed(
    tmp_path: Path, nats_server: NatsServer, database_url: str, world: World
) -> None:
    api = ApiServer(tmp_path, nats_server.url, database_url)
    await api.start()
    await make(api, "lost")
    await api.stop()
    before = await tokens(database_url)
    api = ApiServer(tmp_path, nats_server.url, database_url, secret_key=Fernet.generate_key().decode())
    await api.start()
    assert (await api.client.post("/system/secrets/rotate")).json() == {"values": 0}
    assert (await api.client.get("/system/secrets")).json()["unreadable"] > 0
    await api.stop()
    assert await tokens(database_url) == before


async def test_what_lies_on_the_bus_alone_needs_its_key_too(api: ApiServer, world: World) -> None:
    """Private keys of certificates, and what the proxy asks passwords by: a key that only they need must not be dropped."""
    before = (await api.client.get("/system/secrets")).json()
    lost, here = Vault(Fernet.generate_key().decode()), api.core.vault
    certificates = Bucket(world.runtime, subjects.CERTIFICATES, Certificate)
    await certificates.put("a" * 32, Certificate(host="a.example", pem=lost.seal("PEM")))
    await certificates.put("b" * 32, Certificate(host="b.example", pem=here.seal("PEM")))
    await certificates.put("c" * 32, Certificate(host="c.example"))
    route = Route(app_id="app_1", slug="one", revision=1, front=Front(basic_auth=here.seal("guard")))
    await Bucket(world.runtime, subjects.ROUTES, Route).put(route.app_id, route)
    after = (await api.client.get("/system/secrets")).json()
    assert after["keys"][0]["values"] == before["keys"][0]["values"] + 2
    assert after["unreadable"] == before["unreadable"] + 1
