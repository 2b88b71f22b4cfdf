"""Secrets on a whole Dockup: what is printed of them is masked; `dockup secrets rotate`, broken off and taken up, while an app serves."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from typing import Any

from libs.common.secrets import MASK, key_ids
from tests import images
from tests.e2e.conftest import Desk
from tests.stack import Stack, eventually
from tests.stack.dockup import ROOT


def _state(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.home.state_file.read_bytes())
    return found


async def _break_off(stack: Stack) -> None:
    """Start a rotation and kill it as soon as the new key is written down."""
    command = [sys.executable, "-m", "libs.cli", "secrets", "rotate"]
    running = subprocess.Popen(command, cwd=ROOT, env=stack.environ, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - it is killed at once
    try:

        async def written() -> bool:
            return bool(_state(stack).get("rotating"))

        await eventually(written, 60, what="a new key in state.json")
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()


async def test_rotation_broken_off_while_an_app_serves(stack: Stack, desk: Desk) -> None:
    app = await desk.live(env={"API_TOKEN": "a secret value"})
    container = (await desk.call("GET", f"/apps/{app['slug']}/stats"))["replicas"][0]["container_id"]
    old, answers, done = _state(stack)["secret_key"], [], asyncio.Event()

    async def visit() -> None:
        while not done.is_set():
            answers.append((await desk.look(app["slug"])).status_code)
            await asyncio.sleep(0.02)

    visiting = asyncio.create_task(visit())
    await _break_off(stack)
    halfway = _state(stack)["secret_key"]
    assert await asyncio.to_thread(stack.cli, "secrets", "rotate")
    assert _state(stack)["secret_key"] == halfway, "the new key is that of the first try"
    assert not _state(stack)["rotating"]
    assert halfway.split(",")[1:] == [old]
    assert "forgotten" in await asyncio.to_thread(stack.cli, "secrets", "rotate", "--drop-old")
    done.set()
    await visiting
    assert set(answers) == {200}, "the app served all the time"

    new = halfway.split(",")[0]
    assert _state(stack)["secret_key"] == new
    seen = await desk.call("GET", "/system/secrets")
    assert [key["id"] for key in seen["keys"]] == list(key_ids(new))
    assert seen["unreadable"] == 0
    assert await desk.call("GET", f"/apps/{app['slug']}/env", params={"reveal": "true"}) == {"API_TOKEN": "a secret value"}
    assert "one key" in await asyncio.to_thread(stack.cli, "secrets", "rotate", "--drop-old")
    await asyncio.to_thread(stack.wait_until_ok)
    assert (await desk.call("GET", f"/apps/{app['slug']}/stats"))["replicas"][0]["container_id"] == container
    assert (await desk.deploy(app["slug"]))["status"] == "live", "the runtime opens what stands under the new key"


async def test_a_container_that_prints_its_secret_and_its_base64(desk: Desk) -> None:
    """Neither is shown anywhere: not in the failure, its evidence, the events, or the logs, of now or kept."""
    secret = "correct-horse/battery+staple"
    coded = base64.b64encode(secret.encode()).decode()
    marked = "postgres://me:pw@db/one"
    says = 'echo "raw $API_TOKEN"; echo "coded $(echo -n "$API_TOKEN" | /bin/busybox base64)"; echo "error: $API_TOKEN" >&2'
    says += '; echo "url $DATABASE_URL"; exit 3'
    app = await desk.app(
        images.shell(), env={"API_TOKEN": secret, "DATABASE_URL": marked}, env_secret=["DATABASE_URL"], command=["-c", says]
    )
    deployment = await desk.fail(app["slug"])
    logs = (await desk.call("GET", f"/apps/{app['slug']}/logs", params={"deployment_id": deployment["id"]}))["items"]
    messages = {line["message"] for line in logs}
    assert {f"raw {MASK}", f"error: {MASK}", f"url {MASK}"} <= messages, messages
    assert any(message.startswith(f"coded {MASK}") for message in messages), messages
    assert any(MASK in line for line in deployment["failure"]["evidence"]), deployment["failure"]
    events = await desk.events(app["slug"])
    assert any(event["type"] == "deployment.failed" for event in events)
    for shown in (deployment, logs, events, await desk.get(app["slug"])):
        assert secret not in json.dumps(shown)
        assert marked not in json.dumps(shown)
        assert coded.rstrip("=") not in json.dumps(shown)
