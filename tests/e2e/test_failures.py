"""Each way in which a deployment fails: its code, its evidence, and the version before it that never stops."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import images
from tests.e2e.conftest import Desk, Json
from tests.load.traffic import Traffic
from tests.servers.registry import RegistryServer
from tests.stack import Stack, eventually

SOON = {"type": "tcp", "start_period_seconds": 3}


async def fails_beside_a_good_one(desk: Desk, stack: Stack, **settings: Any) -> Json:
    """Deploy a good version, then `settings`; the good one serves throughout. Returns the failed deployment."""
    app = await desk.live(env={"VERSION": "good"})
    slug = app["slug"]
    await desk.call("PUT", f"/apps/{slug}", json={**settings, "env": {"VERSION": "bad"}})
    async with Traffic(stack.host(slug), stack.https_port, stack.trust(), slug) as traffic:
        deployment = await desk.fail(slug)
    assert traffic.failed == []
    assert len(traffic.calls) > 10
    assert (await desk.look(slug, "/version")).text == "good"
    seen = await desk.get(slug)
    assert (seen["status"], seen["current_deployment_id"]) == ("running", app["current_deployment_id"])
    assert seen["pending_changes"]
    assert deployment["status"] == "failed"
    assert deployment["failure"]["hint"]
    assert deployment["failure"]["message"]
    event = await desk.event(slug, "deployment.failed")
    assert event["deployment_id"] == deployment["id"]

    async def alone() -> bool:
        return len(stack.leftovers().containers(app["id"])) == 1

    await eventually(alone, what="the failed version to be gone")
    return deployment


Case = tuple[Callable[[], str], dict[str, Any], str]
CASES: list[Case] = [
    (images.exits, {}, "container_exited"),
    (images.silent, {"health_check": SOON}, "port_not_listening"),
    (images.wrong_port, {"health_check": SOON}, "port_not_listening"),
    (images.loopback, {"health_check": SOON}, "port_not_listening"),
    (images.foreign, {}, "image_invalid"),
    (images.bare, {"command": ["/not/there", "serve"]}, "container_start_failed"),
    (images.eats_memory, {"memory_limit": 64, "health_check": SOON}, "out_of_memory"),
    (images.web, {"health_check": {"type": "http", "path": "/status?500", "start_period_seconds": 3}}, "health_check_failed"),
]


@pytest.mark.parametrize(("image", "settings", "code"), CASES, ids=[f"{image.__name__} {code}" for image, _, code in CASES])
async def test_codes(desk: Desk, stack: Stack, image: Callable[[], str], settings: dict[str, Any], code: str) -> None:
    deployment = await fails_beside_a_good_one(desk, stack, image=image(), **settings)
    failure = deployment["failure"]
    assert (failure["phase"], failure["code"]) == ("deploying", code), failure
    if code == "container_exited":
        assert failure["data"]["exit_code"] == 3
        assert any("DATABASE_URL is not set" in line for line in failure["evidence"])
    if image is images.wrong_port:
        assert failure["data"]["listening"] == [9999]
        assert "9999" in failure["hint"]
    if image is images.silent:
        assert failure["data"]["listening"] == []
    if image is images.loopback:
        assert failure["data"]["listening"] == [images.PORT]
        assert "127.0.0.1 alone" in failure["message"]
        assert "0.0.0.0" in failure["hint"]
    if image is images.foreign:
        assert "s390x" in failure["message"]
    if image is images.bare:
        assert failure["data"]["exit_code"] == 127
        assert any("/not/there" in line for line in failure["evidence"])


async def test_an_app_that_speaks_no_http(desk: Desk, stack: Stack) -> None:
    """Its port is open, and the proxy could do nothing with it: it gets no request of anybody's."""
    script = "exec /bin/busybox nc -ll -p 8080 -e /bin/busybox echo hello"
    deployment = await fails_beside_a_good_one(desk, stack, image=images.shell(), command=["-c", script], health_check=SOON)
    assert (deployment["failure"]["phase"], deployment["failure"]["code"]) == ("deploying", "route_failed")
    assert "no answer in HTTP" in deployment["failure"]["message"]


async def test_image_that_does_not_exist(desk: Desk, stack: Stack, tmp_path: Path) -> None:
    registry = RegistryServer(tmp_path)
    registry.start()
    try:
        deployment = await fails_beside_a_good_one(desk, stack, image=f"{registry.host}/nothing/here:1")
    finally:
        registry.stop()
    assert (deployment["failure"]["phase"], deployment["failure"]["code"]) == ("building", "image_not_found")


async def test_registry_that_does_not_answer(desk: Desk, stack: Stack) -> None:
    deployment = await fails_beside_a_good_one(desk, stack, image="127.0.0.1:9/nothing/here:1")
    assert deployment["failure"]["code"] == "registry_unreachable"


async def test_a_first_deploy_that_fails(desk: Desk, stack: Stack) -> None:
    """Nothing serves then, and the status says why."""
    app = await desk.app(images.exits())
    await desk.fail(app["slug"])
    seen = await desk.get(app["slug"])
    assert (seen["status"], seen["status_reason"]) == ("stopped", "deploy_failed")
    assert seen["status_detail"]

    async def nothing_left() -> bool:
        return stack.leftovers().containers(app["id"]) == []

    await eventually(nothing_left, what="its container to go")
    assert (await desk.look(app["slug"])).status_code in {404, 503}


async def test_mended_and_deployed_again(desk: Desk) -> None:
    app = await desk.app(images.exits())
    await desk.fail(app["slug"])
    deployment = await desk.deploy(app["slug"], image=images.web())
    assert deployment["status"] == "live"
    assert (await desk.look(app["slug"])).status_code == 200
