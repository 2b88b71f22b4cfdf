"""`dockup doctor` on a stack that is well, that is hurt in several ways, and that is down."""

import json
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from libs.common import ids, subjects
from libs.common.bus import Bus
from libs.supervisor import settings
from tests import images
from tests.stack import Stack
from tests.stack.dockup import ROOT

CHECKS = ["engine", "disk", "clock", "dns", "ports", "services", "bus", "database", "redis", "certificates", "containers", "recovery"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack()
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


def look(stack: Stack, *arguments: str) -> dict[str, Any]:
    """The doctor's findings, by check; `status` is the whole."""
    seen = json.loads(stack.cli("doctor", "--json", *arguments, check=False))
    found: dict[str, Any] = {"status": seen["status"]}
    for finding in seen["checks"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def levels(found: dict[str, Any], name: str) -> list[str]:
    return [finding["level"] for finding in found[name]]


def stray(stack: Stack, app_id: str) -> str:
    labels = {"dockup.instance": stack.instance, "dockup.app": app_id}
    made = stack.leftovers().client.create_container(images.web(), labels=labels, name=f"dk-{app_id}-web-r1.0-0")
    return str(made["Id"])


def refused(stack: Stack) -> bool:
    """Whether nothing is done when the question is answered with no."""
    done = subprocess.run(stack.command("doctor", "--remove-strays"), env=stack.environ, cwd=ROOT, input="n\n", text=True, check=False)
    return done.returncode == 1


async def test_a_stack_that_is_well(stack: Stack) -> None:
    text = stack.cli("doctor")
    assert "SQLite, schema" in text
    assert "→ dockup backup" in text
    stack.cli("backup")
    found = look(stack)
    assert list(found) == ["status", *CHECKS, "backups"]
    for name in ("engine", "dns", "ports", "services", "bus", "database", "redis", "certificates", "containers", "recovery", "backups"):
        assert levels(found, name) == ["ok"], found[name]


async def test_strays_of_a_deleted_app(stack: Stack) -> None:
    async with stack.direct_client() as client:
        project = (await client.post("/projects", json={"name": "Tests"})).json()
        body = {"name": "gone", "slug": "gone", "image": images.web()}
        app = (await client.post(f"/projects/{project['id']}/apps", json=body)).json()
        answer = await client.delete("/apps/gone", params={"wait": 30})
        assert answer.status_code == 200, answer.text
    left = stray(stack, app["id"])
    kept = stack.leftovers().client.create_container(images.web(), labels={"dockup.app": app["id"]})["Id"]
    try:
        found = look(stack)
        assert levels(found, "containers") == ["warning"]
        assert "gone (1)" in found["containers"][0]["text"]
        assert refused(stack)
        assert [each["Id"] for each in stack.leftovers().containers(app["id"])] == [left]
        assert levels(look(stack, "--remove-strays", "--yes"), "containers") == ["ok"]
        assert stack.leftovers().containers(app["id"]) == []
    finally:
        stack.leftovers().client.remove_container(kept)


async def test_what_hurts_is_said(stack: Stack) -> None:
    """A dead letter, a container of nobody: each with what to do, and the status is 1."""
    home = stack.home
    url = settings.service_environment("builder", home, home.load(), {})["DOCKUP_NATS_URL"]
    bus = await Bus.connect(url, "builder")
    await bus.store(
        subjects.dead("builder", "app_1"), b"{}", {"Dockup-Subject": "dockup.cmd.builder.Odd.app_1", "Dockup-Reason": "no sense"}
    )
    await bus.close()
    # After the other strays: the runtime may find this one meanwhile, and then no new project is taken.
    unknown = stray(stack, ids.new("app"))
    found = look(stack)
    stack.leftovers().client.remove_container(unknown)
    assert levels(found, "bus") == ["ok", "warning"]
    assert "builder.Odd: no sense" in found["bus"][1]["text"]
    assert levels(found, "containers") == ["warning"]


async def test_a_stack_that_is_down(stack: Stack) -> None:
    """The last: it stays down."""
    stack.down()
    found = look(stack)
    assert levels(found, "services") == ["warning"]
    assert "apps and HAProxy serve" in found["services"][0]["text"]
    assert levels(found, "bus") == levels(found, "redis") == ["skipped"]
    assert levels(found, "ports") == levels(found, "database") == ["ok"]
    stack.down(everything=True)
    file = stack.home.root / "api" / "dockup.db"
    aside = file.rename(file.with_name("aside"))
    file.write_bytes(b"no database at all" * 100)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", stack.http_port))
        other.listen(1)
        found = look(stack)
    aside.rename(file)
    assert found["status"] == "problem"
    assert levels(found, "database") == ["problem"]
    assert levels(found, "recovery") == levels(found, "containers") == ["skipped"]
    assert levels(found, "ports") == ["problem"]
    assert f"http: {stack.http_port} is taken by" in found["ports"][0]["text"]
    assert all(finding["do"] for group in found.values() if isinstance(group, list) for finding in group if finding["level"] == "problem")
