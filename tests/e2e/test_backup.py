"""Backup, wipe, restore: the same apps, keys, history and certificates, on an engine that lost the images too."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import docker.errors
import pytest

from tests import images
from tests.stack import Stack, eventually
from tests.stack.dockup import StackError


@pytest.fixture
def lone() -> Iterator[Stack]:
    """A stack of this test's own, for it is wiped."""
    stack = Stack()
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


async def test_from_nothing_but_the_file(lone: Stack, tmp_path: Path) -> None:
    async with lone.direct_client() as client:
        body = {"create": True, "project": "kept", "image": images.web(), "internal_port": 8080, "env": {"VERSION": "kept"}}
        made = await client.post("/deploy/kept", params={"wait": 60}, json=body)
        assert made.status_code == 200, made.text
        app_id = made.json()["app_id"]
        before = (await client.get("/apps/kept/events", params={"limit": 200})).json()["items"]
    said = lone.cli("backup", str(tmp_path / "b.age"))
    secret = re.search(r"AGE-SECRET-KEY-\w+", said)
    assert secret
    assert "images: 1" in said
    assert "AGE-SECRET-KEY" not in lone.cli("backup", str(tmp_path / "again.age")), "the key is shown once"
    with pytest.raises(StackError, match="Dockup runs here"):
        lone.cli("restore", str(tmp_path / "b.age"), "--replace")

    root, key = lone.home.root_certificate.read_bytes(), lone.credentials["api_key"]
    lone.down(everything=True)
    lone.leftovers().remove([app_id])
    with pytest.raises(docker.errors.ImageNotFound):
        lone.leftovers().client.inspect_image(f"dockup/{app_id}:r1")
    for path in lone.home.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()

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
