"""What the tests of the engine make carries a label of its own and is removed whatever happens."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from secrets import randbelow
from uuid import uuid4

import pytest

from libs.common.engine import containers, networks
from libs.common.engine.connect import Engine
from libs.common.engine.errors import SubnetTaken
from libs.common.engine.networks import NetworkSeen
from libs.common.engine.spec import ContainerSpec
from tests import images
from tests.conftest import DOCKER_HOST
from tests.servers.gateway import Gateway

APP = "app_" + "0" * 31 + "1"

Spec = Callable[..., ContainerSpec]


@pytest.fixture
async def instance(engine: Engine) -> AsyncIterator[str]:
    """An installation's name; its containers and networks are gone after the test."""
    name = f"test-{uuid4().hex[:12]}"
    yield name
    for container in await containers.list_ours(engine, name):
        await containers.remove(engine, container.id)
    for network in await networks.list_all(engine):
        if network.labels.get(containers.INSTANCE_LABEL) == name:
            await networks.remove(engine, network.id)


@pytest.fixture
async def network(engine: Engine, instance: str) -> NetworkSeen:
    labels = {containers.INSTANCE_LABEL: instance, networks.PROJECT_LABEL: "prj_1"}
    while True:
        subnet = f"10.{214 + randbelow(32)}.{randbelow(256)}.{randbelow(4) * 64}/26"
        try:
            return await networks.ensure(engine, f"{instance}-net", labels, subnet)
        except SubnetTaken:
            continue


@pytest.fixture
async def spec(engine: Engine, instance: str, network: NetworkSeen) -> Spec:
    """A spec of the web image, ready to create; arguments replace its fields."""
    found = engine.api.inspect_image(images.web())

    def make(image: str | None = None, **fields: object) -> ContainerSpec:
        defaults: dict[str, object] = {
            "name": f"{instance}-{uuid4().hex[:6]}",
            "image_id": engine.api.inspect_image(image)["Id"] if image else found["Id"],
            "labels": {containers.INSTANCE_LABEL: instance, containers.APP_LABEL: APP},
            "env": {"VERSION": "one"},
            "command": None,
            "network": network.name,
            "address": None,
            "port": images.PORT,
            "cpu": None,
            "memory": None,
        }
        return ContainerSpec(**{**defaults, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A way to the machine's engine that a test can cut."""
    door = Gateway(tmp_path / "engine.sock", DOCKER_HOST.removeprefix("unix://"))
    await door.open()
    yield door
    door.cut()
