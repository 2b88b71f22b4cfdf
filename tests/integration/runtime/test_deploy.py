"""From a wish to a live address, and on to the next version."""

import pytest

from libs.common import clock, subjects
from libs.common.bucket import Bucket
from libs.common.messages.api import Autoscale, HealthCheck
from libs.common.messages.scale import Scale
from libs.common.states import Intent
from tests import images
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Stack


async def test_first_deploy_answers_over_https(stack: Stack) -> None:
    app_id = stack.new_app()
    release = stack.release(1, images.web(), env={"VERSION": "one"})
    end = await stack.deploy(app_id, release)
    assert end.name == "ReleaseLive", end
    assert [name for name, _milliseconds in end.data["phases"]] == ["create", "start", "healthy", "routed"]
    assert await stack.version(app_id) == "one"
    settled = await stack.settled(app_id)
    assert settled.data["running"] == 1
    listed = await stack.containers(app_id)
    assert [entry.name for entry in listed] == [f"dk-{app_id}-web-r1.0-0"]
    await stack.wait_said(app_id, "ReplicaHealthy")
    names = [event.name for event in stack.said if event.app_id == app_id]
    assert names.index("ReplicaStarted") < names.index("ReplicaHealthy") < names.index("ReleaseLive") < names.index("Settled")


async def test_redeploy_replaces_new_first(stack: Stack) -> None:
    app_id = stack.new_app()
    await stack.deploy(app_id, stack.release(1, images.web(), env={"VERSION": "one"}))
    await stack.want(app_id, replicas=2)
    await stack.settled(app_id)
    end = await stack.deploy(app_id, stack.release(2, images.web(), env={"VERSION": "two"}))
    assert end.name == "ReleaseLive"
    assert await stack.version(app_id) == "two"
    await stack.settled(app_id)
    listed = await stack.containers(app_id)
    assert [entry.name for entry in listed] == [f"dk-{app_id}-web-r2.0-{slot}" for slot in (0, 1)]
    assert len(await stack.wait_said(app_id, "ReplicaRemoved", 2)) == 2


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("exits", "container_exited"),
        ("silent", "port_not_listening"),
        # As the others: tests/e2e/test_failures.py has each on a whole stack.
        pytest.param("wrong_port", "port_not_listening", marks=pytest.mark.long),
        pytest.param("loopback", "port_not_listening", marks=pytest.mark.long),
        ("eats_memory", "out_of_memory"),
    ],
)
async def test_a_bad_image_fails_by_its_code_and_the_old_version_serves(stack: Stack, image: str, code: str) -> None:
    app_id = stack.new_app()
    await stack.deploy(app_id, stack.release(1, images.web(), env={"VERSION": "one"}))
    limits = stack.desired[app_id].limits
    end = await stack.deploy(app_id, stack.release(2, getattr(images, image)()), limits=type(limits)(memory=64))
    assert end.name == "ReleaseFailed"
    failure = end.data["failure"]
    assert isinstance(failure, dict)
    assert failure["code"] == code, failure
    assert await stack.version(app_id) == "one"
    await stack.settled(app_id)
    assert len(await stack.containers(app_id)) == 1
    if image == "exits":
        assert failure["data"] == {"exit_code": 3}
        assert len(failure["evidence"]) == 2
    if image == "wrong_port":
        assert failure["data"]["listening"] == [9999]
        assert "9999" in failure["hint"]


async def test_where_nothing_listens_the_ports_that_the_image_exposes_are_told(stack: Stack) -> None:
    check = HealthCheck(start_period_seconds=1)
    end = await stack.deploy(stack.new_app(), stack.release(1, images.silent(), port=80, health_check=check))
    failure = end.data["failure"]
    assert isinstance(failure, dict)
    assert (failure["code"], failure["data"]["port"]) == ("port_not_listening", 80)
    assert "the image exposes 8080" in failure["message"]
    assert "internal_port" in failure["hint"]


async def test_a_health_check_that_answers_wrongly(stack: Stack) -> None:
    app_id = stack.new_app()
    check = HealthCheck(type="http", path="/status?500", start_period_seconds=1)
    end = await stack.deploy(app_id, stack.release(1, images.web(), health_check=check))
    failure = end.data["failure"]
    assert isinstance(failure, dict)
    assert failure["code"] == "health_check_failed", failure
    assert "500" in failure["message"]


async def test_a_command_that_is_not_there(stack: Stack) -> None:
    app_id = stack.new_app()
    end = await stack.deploy(app_id, stack.release(1, images.shell(), command=("-c", "exec /no/such/thing")))
    assert end.data["failure"]["code"] == "container_exited"  # type: ignore[index]


async def test_stop_start_restart_scale(stack: Stack) -> None:
    app_id = stack.new_app()
    await stack.deploy(app_id, stack.release(1, images.web(), env={"VERSION": "one"}))
    await stack.settled(app_id)
    await stack.want(app_id, intent=Intent.STOPPED)
    await stack.settled(app_id)
    assert await stack.containers(app_id) == []
    assert (await stack.get(app_id)).status_code == 503
    await stack.want(app_id, intent=Intent.RUNNING)
    await stack.settled(app_id)
    assert await stack.version(app_id) == "one"
    await stack.want(app_id, restart=1)
    await stack.settled(app_id)
    assert [entry.name for entry in await stack.containers(app_id)] == [f"dk-{app_id}-web-r1.1-0"]
    await stack.want(app_id, replicas=3)
    await stack.settled(app_id)
    assert len(await stack.containers(app_id)) == 3
    await stack.want(app_id, replicas=1)
    await stack.settled(app_id)
    assert len(await stack.containers(app_id)) == 1
    assert await stack.version(app_id) == "one"


async def test_load_decides_within_the_bounds_and_the_own_number_comes_back(stack: Stack) -> None:
    app_id = stack.new_app()
    await stack.deploy(app_id, stack.release(1, images.web(), env={"VERSION": "one"}))
    await stack.want(app_id, autoscale=Autoscale(max_replicas=3))
    await Bucket(stack.bus, subjects.SCALE, Scale).put(app_id, Scale(app_id=app_id, replicas=9, at=clock.now(), by="metrics"))
    await stack.wait_containers(app_id, lambda found: len(found) == 3)
    await until(lambda: len(stack.routes.entries[app_id].upstreams) == 3)
    await stack.want(app_id, autoscale=None)
    await stack.settled(app_id)
    assert [entry.name for entry in await stack.containers(app_id)] == [f"dk-{app_id}-web-r1.0-0"]


async def test_delete_in_mid_deploy_leaves_nothing(stack: Stack) -> None:
    app_id = stack.new_app()
    await stack.want(app_id, candidate=stack.release(1, images.slow_start()))
    await stack.wait_containers(app_id, bool)
    await stack.want(app_id, intent=Intent.DELETED, candidate=None)
    await stack.wait_said(app_id, "AppRemoved")
    assert await stack.containers(app_id) == []
    found = stack.engine.api.networks(filters={"label": f"dockup.project={stack.desired[app_id].project_id}"})
    assert found == []
    await until(lambda: not stack.routes.entries[app_id].hosts)


async def test_the_last_word_on_an_app_waits_for_a_router_that_was_away(stack: Stack) -> None:
    """Else what its disk remembers would be served for ever."""
    app_id, other = stack.new_app(), stack.new_app()
    await stack.deploy(app_id, stack.release(1, images.web()))
    stack.router.kill_router()
    await stack.want(app_id, intent=Intent.DELETED)
    await until(lambda: not stack.routes.entries[app_id].hosts)
    await stack.forget(app_id)
    await stack.want(other, candidate=stack.release(1, images.web()))
    await until(lambda: other in stack.routes.entries)  # the deletion came before
    assert app_id in stack.routes.entries
    await stack.router.start()
    await until(lambda: app_id not in stack.routes.entries)
    answer = await stack.router.ask("GET", "localhost", "/", {"Host": stack.desired[app_id].hosts[0]})
    assert answer.json()["code"] == "unknown_host"


async def test_shared_variables_are_filled_in(stack: Stack) -> None:
    app_id = stack.new_app()
    shared = stack.vault.seal({"V": "shared"})
    release = stack.release(1, images.web(), env={"VERSION": "is-${{ shared.V }}"}, shared=shared)
    assert (await stack.deploy(app_id, release)).name == "ReleaseLive"
    assert await stack.version(app_id) == "is-shared"
