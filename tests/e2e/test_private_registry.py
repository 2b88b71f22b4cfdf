"""Images of a private registry, on a whole Dockup: with and without the right password, and back to one that only the engine still has."""

import io
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import images
from tests.e2e.conftest import Desk
from tests.servers.registry import PASSWORD, USER, RegistryServer


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    server = RegistryServer(tmp_path, private=True)
    server.start()
    yield server
    server.stop()


def pushed(registry: RegistryServer, version: str) -> str:
    """A version of the web image that is in the registry alone."""
    local = f"dockup-test/private-{secrets.token_hex(6)}:1"
    file = io.BytesIO(f"FROM {images.web()}\nENV VERSION={version}\n".encode())
    for line in images.client().build(fileobj=file, tag=local, decode=True):
        assert "error" not in line, line
    reference = registry.push(local, "team/app", version)
    images.client().remove_image(local)
    return reference


async def test_passwords_and_the_way_back(desk: Desk, registry: RegistryServer) -> None:
    one, two = pushed(registry, "one"), pushed(registry, "two")
    app = await desk.app(one)
    stranger = await desk.fail(app["slug"])
    assert stranger["failure"]["code"] == "registry_auth_failed"

    login = {"name": "team", "server": registry.host, "username": USER, "password": "not it"}
    made = await desk.call("POST", "/registries", json=login)
    assert (await desk.call("POST", f"/registries/{made['id']}/check"))["ok"] is False
    wrong = await desk.fail(app["slug"])
    assert wrong["failure"]["code"] == "registry_auth_failed"
    assert "not it" not in str(wrong)

    await desk.call("PUT", f"/registries/{made['id']}", json={"password": PASSWORD})
    assert (await desk.call("POST", f"/registries/{made['id']}/check"))["ok"] is True
    for reference, version in ((one, "one"), (two, "two")):
        assert (await desk.deploy(app["slug"], image=reference))["status"] == "live"
        assert (await desk.look(app["slug"], "/version")).text.strip() == version
    assert not images.client().images(name=f"{registry.host}/team/app"), "whoever names it there would get it"

    registry.stop()
    back = await desk.call("POST", f"/apps/{app['slug']}/rollback", params={"wait": 30})
    assert (back["status"], back["image"]) == ("live", one)
    assert (await desk.look(app["slug"], "/version")).text.strip() == "one"
    gone = await desk.fail(app["slug"], image=f"{registry.host}/team/app:three")
    assert gone["failure"]["code"] == "registry_unreachable"
