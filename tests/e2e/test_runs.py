"""One-off commands, a release command and a job, through the whole of Dockup."""

from typing import Any

import pytest

from tests import images
from tests.e2e.conftest import WAIT, Desk, Json
from tests.stack import eventually


async def run(desk: Desk, slug: str, command: str | list[str], **fields: Any) -> Json:
    return await desk.call("POST", f"/apps/{slug}/runs", params={"wait": WAIT}, json={"command": command, **fields})


async def log(desk: Desk, slug: str, one: Json) -> list[str]:
    answer = await desk.api.get(f"/apps/{slug}/runs/{one['id']}/logs", headers={"Accept": "text/plain"})
    assert answer.is_success, answer.text
    return answer.text.splitlines()


async def test_a_run_sees_what_the_app_sees_and_its_log_and_exit_code_are_kept(desk: Desk) -> None:
    env = {"GREETING": "hello", "API_TOKEN": "very-secret-words"}
    app = await desk.live(images.bare(), env=env, command=["/web", "serve"])
    slug = app["slug"]
    await desk.call("POST", f"/apps/{slug}/volumes", json={"name": "data", "mount_path": "/data"})
    await desk.deploy(slug)
    one = await run(desk, slug, "sh -c 'echo $GREETING $API_TOKEN; echo kept > /data/note; exit 7'")
    assert (one["status"], one["exit_code"], one["failure"]["code"], one["release"]) == ("failed", 7, "command_failed", 2)
    assert await log(desk, slug, one) == ["hello ••••••••"]
    two = await run(desk, slug, ["cat", "/data/note"])
    assert (two["status"], await log(desk, slug, two)) == ("succeeded", ["kept"])
    late = await run(desk, slug, "sleep 60", timeout_seconds=1)
    assert (late["status"], late["failure"]["code"]) == ("timed_out", "timeout")
    going = await desk.call("POST", f"/apps/{slug}/runs", json={"command": "sleep 60"})
    await desk.event(slug, "run.started")
    over = await desk.call("POST", f"/apps/{slug}/runs/{going['id']}/cancel", params={"wait": WAIT})
    assert over["status"] == "cancelled"
    assert (await desk.look(slug)).status_code == 200

    async def nothing_left() -> bool:
        return not [each for each in desk.stack.leftovers().containers(app["id"]) if "-run-" in str(each["Names"])]

    await eventually(nothing_left, what="the containers of runs to go")


async def test_a_release_command_runs_first_and_fails_the_deployment(desk: Desk) -> None:
    app = await desk.live(images.bare(), env={"VERSION": "1"}, release_command="sh -c 'echo migrated $VERSION'")
    slug = app["slug"]
    assert app["release_command"] == ["sh", "-c", "echo migrated $VERSION"]
    [first] = (await desk.call("GET", f"/apps/{slug}/deployments"))["items"]
    assert "release" in [phase["name"] for phase in first["phases"]]
    lines = (await desk.call("GET", f"/deployments/{first['id']}/logs"))["items"]
    assert "migrated 1" in [line["message"] for line in lines]
    await desk.call("PUT", f"/apps/{slug}", json={"release_command": ["sh", "-c", "echo broken >&2; exit 4"], "env": {"VERSION": "2"}})
    assert set((await desk.get(slug))["pending_fields"]) == {"release_command", "env"}
    failed = await desk.fail(slug)
    assert (failed["failure"]["code"], failed["failure"]["evidence"]) == ("release_command_failed", ["broken"])
    assert failed["failure"]["data"] == {"exit_code": 4}
    assert (await desk.look(slug, "/version")).text == "1"


@pytest.mark.long
async def test_a_job_runs_by_the_clock(desk: Desk) -> None:
    app = await desk.live(images.bare())
    slug = app["slug"]
    body = {"name": "each minute", "schedule": "* * * * *", "time_zone": "Europe/Berlin", "command": "sh -c 'echo on time'"}
    job = await desk.call("POST", f"/apps/{slug}/jobs", json=body)
    assert job["next_at"] is not None

    async def ran() -> Json | None:
        found = (await desk.call("GET", f"/apps/{slug}/jobs/{job['id']}"))["last_run"]
        return found if found and found["finished_at"] else None

    last = await eventually(ran, 75, what="the job's first run")
    assert last
    assert (last["status"], last["trigger"], last["job_id"]) == ("succeeded", "job", job["id"])
    assert await log(desk, slug, last) == ["on time"]
