"""Backup, wipe, restore: the same apps, keys, history and certificates, on an engine that lost the images too."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import docker.errors
import pytest

from tests import images
from tests.servers.postgres import PostgresServer
from tests.stack import Stack, eventually
from tests.stack.dockup import StackError

_PASSWORD = quote("a p@ss:word/", safe="")


class Lone(Stack):
    """A stack of this test's own, for it is wiped, the database too where that is a server's."""

    def __init__(self, server: PostgresServer | None) -> None:
        self._server = server
        super().__init__(**self._database())

    def _database(self) -> dict[str, str]:
        if self._server is None:
            return {}
        return {"database_url": self._server.create_database().replace("postgres@", f"postgres:{_PASSWORD}@")}

    def wipe(self) -> None:
        for path in self.home.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.environ |= {f"DOCKUP_{name.upper()}": text for name, text in self._database().items()}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def lone(request: pytest.FixtureRequest) -> Iterator[Lone]:
    with contextlib.ExitStack() as stack:
        server = None
        if request.param == "postgresql":
            server = PostgresServer()
            stack.callback(server.stop)
            server.start()
        lone = Lone(server)
        stack.callback(lone.destroy)
        lone.up()
        yield lone


async def test_from_nothing_but_the_file(lone: Lone, tmp_path: Path) -> None:
    async with lone.direct_client() as client:
        body = {"create": True, "project": "kept", "image": images.web(), "internal_port": 8080, "env": {"VERSION": "kept"}}
        made = await client.post("/deploy/kept", params={"wait": 60}, json=body)
        assert made.status_code == 200, made.text
        app_id = made.json()["app_id"]
        (await client.post("/apps/kept/volumes", json={"name": "data", "mount_path": "/data"})).raise_for_status()
        before = (await client.get("/apps/kept/events", params={"limit": 200})).json()["items"]
    said = lone.cli("backup", str(tmp_path / "b.age"))
    secret = re.search(r"AGE-SECRET-KEY-\w+", said)
    assert secret
    assert "images: 1" in said
    assert "volumes whose data is not in it" in said
    assert "AGE-SECRET-KEY" not in lone.cli("backup", str(tmp_path / "again.age")), "the key is shown once"
    with pytest.raises(StackError, match="Dockup runs here"):
        lone.cli("restore", str(tmp_path / "b.age"), "--replace")

    root, key = lone.home.root_certificate.read_bytes(), lone.credentials["api_key"]
    lone.down(everything=True)
    lone.leftovers().remove([app_id])
    with pytest.raises(docker.errors.ImageNotFound):
        lone.leftovers().client.inspect_image(f"dockup/{app_id}:r1")
    lone.wipe()

    (tmp_path / "key").write_text(secret[0], encoding="ascii")
    lone.cli("restore", str(tmp_path / "b.age"), "--key-file", str(tmp_path / "key"))
    lone.up()
    assert lone.home.root_certificate.read_bytes() == root
    assert lone.credentials["api_key"] == key

    async def serves() -> bool:
        async with lone.app_client("kept") as browser:
            answer = await browser.get("/version")
        return (answer.status_code, answer.text.strip()) == (200, "kept")

    await eventually(serves, 60, what="the app")
    async with lone.direct_client() as client:
        after = (await client.get("/apps/kept/events", params={"limit": 200})).json()["items"]
        assert after[: len(before)] == before, "history goes on where it was"
        assert (await client.get("/apps/kept")).json()["id"] == app_id
        assert (await client.post("/apps/kept/deploy", params={"wait": 60})).status_code == 200
