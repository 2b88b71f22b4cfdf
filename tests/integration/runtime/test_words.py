"""What containers say, however much and however odd, and what becomes of one whose words cannot be had."""

from pathlib import Path

import pytest

from libs.common import subjects
from libs.common.messages.builder import BuildLine
from libs.common.messages.runtime import Inventory
from libs.common.states import Intent
from tests import images
from tests.integration.router.stack import until
from tests.integration.runtime.stack import Said, Stack

SAYS = {
    "zeros in one line": "/bin/busybox head -c 1000000 /dev/zero; echo",
    "a line without an end": "/bin/busybox yes a | /bin/busybox tr -d '\\n' | /bin/busybox head -c 1500000",
    "quotes in many lines": "/bin/busybox yes '" + '"' * 40 + "' | /bin/busybox head -n 20000",
    "bytes that are no text": "/bin/busybox head -c 900000 /dev/urandom",
}


async def fails(stack: Stack, script: str) -> tuple[str, Said]:
    app_id = stack.new_app()
    end = await stack.deploy(app_id, stack.release(1, images.shell(), command=("-c", f"{script}; exit 3")))
    await stack.settled(app_id)
    return app_id, end


async def test_a_runtime_that_forgot_all_hides_the_secrets_of_a_release_that_nobody_wants(stack: Stack) -> None:
    """The name of one of them says nothing; a database that is made from what runs hears that it is secret all the same."""
    app_id = stack.new_app()
    env = {"API_TOKEN": "very-secret-words", "PLAIN": "hide-me-please"}
    command = ("sh", "-c", "echo $API_TOKEN $PLAIN; exec /web serve")
    first = stack.release(1, images.bare(), env=env, env_secret=("PLAIN",), command=command)
    assert (await stack.deploy(app_id, first)).name == "ReleaseLive"
    await stack.settled(app_id)
    found = await stack.bus.query("runtime", "inventory", {}, Inventory)
    assert [wish.current.env_secret for wish in found.apps if wish.app_id == app_id and wish.current] == [("PLAIN",)]
    stack.kill_runtime()
    await stack.want(app_id, current=stack.release(2, images.bare()))
    stack.launch()
    await stack.wait_said(app_id, "ReplicaRemoved")
    kept = await stack.logs(app_id, deployments=(first.deployment_id,), tail=100)
    assert "•••••••• ••••••••" in [line.message for line in kept.items if "-r1." in line.replica]


@pytest.mark.parametrize("script", SAYS.values(), ids=SAYS)
async def test_a_flood_of_words_is_cut_and_nobody_waits_for_it(stack: Stack, script: str) -> None:
    app_id, end = await fails(stack, script)
    failure = end.data["failure"]
    assert isinstance(failure, dict)
    assert failure["code"] == "container_exited"
    assert failure["data"] == {"exit_code": 3}
    assert failure["evidence"]
    assert await stack.containers(app_id) == []
    kept = await stack.logs(app_id, deployments=(str(end.data["deployment_id"]),), tail=2_000)
    assert kept.items
    if "/dev/zero" in script:
        assert "bytes cut]" in failure["evidence"][-1]
        assert "bytes cut]" in kept.items[-1].message


def _spoil(log: Path) -> None:
    """The engine cannot read a folder; it removes it with the container."""
    log.unlink()
    log.mkdir()


async def test_a_replica_goes_though_its_log_cannot_be_read(stack: Stack) -> None:
    app_id = stack.new_app()
    await stack.deploy(app_id, stack.release(1, images.web()))
    await stack.settled(app_id)
    [container] = await stack.containers(app_id)
    _spoil(Path(stack.engine.api.inspect_container(container.id)["LogPath"]))
    await stack.want(app_id, intent=Intent.STOPPED)
    await stack.settled(app_id)
    assert await stack.containers(app_id) == []
    assert "runtime.words_lost" in (stack.home / "runtime.log").read_text(encoding="utf-8")


async def test_a_replica_goes_though_nobody_takes_its_words(stack: Stack) -> None:
    """The bus is there, and has no room for logs."""
    await stack.bus.js.delete_stream(subjects.LOGS)
    app_id, _ = await fails(stack, "echo hello")
    assert await stack.containers(app_id) == []
    await until(lambda: "runtime.words_lost" in (stack.home / "runtime.log").read_text(encoding="utf-8"))


async def test_the_log_of_a_build_hides_no_words(stack: Stack) -> None:
    """It is kept beside them, comes first, and may be long."""
    app_id = stack.new_app()
    release = stack.release(1, images.shell(), command=("-c", "echo the last words; exit 3"))
    for number in range(201):
        line = BuildLine(at="2026-01-01T00:00:00.000Z", stream="stdout", step=1, message=f"line {number}")
        await stack.bus.publish(subjects.log(release.deployment_id, "build"), [line], f"{release.deployment_id}.{number}")
    await stack.deploy(app_id, release)
    await stack.settled(app_id)
    kept = await stack.logs(app_id, deployments=(release.deployment_id,), tail=10)
    assert [line.message for line in kept.items][-1:] == ["the last words"]
