"""What there is not enough of, and what has a name that we need."""

import random
from pathlib import Path

import pytest

from libs.common.bus import Bus
from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.engine.spec import ContainerSpec
from services.runtime.replica import Key
from services.runtime.spec import container_name
from tests import images
from tests.integration.runtime.stack import Said, Stack
from tests.integration.runtime.test_faults import answers, live
from tests.servers.nats import NatsServer


def code(end: Said) -> object:
    failure = end.data.get("failure")
    return failure["code"] if isinstance(failure, dict) else end.name


async def test_no_network_is_left(home: Path, nats_server: NatsServer, bus: Bus, engine: Engine) -> None:
    stack = Stack(home, nats_server, bus, engine)
    stack.network_pool = f"10.{random.randrange(192, 212)}.{random.randrange(256)}.0/26"  # noqa: S311 - no secret
    try:
        await stack.start()
        first = await live(stack)
        second = stack.new_app()
        assert code(await stack.deploy(second, stack.release(1, images.web()))) == "network_exhausted"
        await answers(stack, first)
        third = stack.new_app(stack.desired[first].project_id)
        assert code(await stack.deploy(third, stack.release(1, images.web()))) == "ReleaseLive"
    finally:
        await stack.end()


@pytest.mark.parametrize("ours", [False, True], ids=["a stranger", "another app's"])
async def test_a_name_that_is_taken_ends_a_deploy(stack: Stack, ours: bool) -> None:  # noqa: FBT001 - a case of two
    app_id = await live(stack)
    labels = {"dockup.instance": stack.instance} if ours else {"dockup-test": stack.instance}
    spec = ContainerSpec(
        name=container_name(app_id, Key(2, 0, 0)),
        image_id=stack.engine.api.inspect_image(images.web())["Id"],
        labels=labels,
        env={},
        command=None,
        network="bridge",
        address=None,
        port=8080,
        cpu=None,
        memory=None,
    )
    stranger = await containers.create(stack.engine, spec)
    try:
        end = await stack.deploy(app_id, stack.release(2, images.web()))
        assert code(end) == "container_start_failed"
        assert spec.name in str(end.data["failure"])
        await answers(stack, app_id)
        assert (await containers.inspect(stack.engine, stranger)).name == spec.name
    finally:
        await containers.remove(stack.engine, stranger)
