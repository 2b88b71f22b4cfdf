"""compose.yaml for real: images are built, a deploy goes live, builders are scaled, everything goes down and comes up again."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests import images
from tests.compose import base
from tests.compose.server import Server
from tests.load.traffic import Traffic
from tests.stack import eventually

# Building takes minutes where nothing is cached yet.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("compose"), base.make())
    server.compose("build", minutes=15)
    try:
        server.compose("up", "--detach", "--wait")
        leftovers = server.leftovers()
        yield server
        server.compose("stop")
        apps = {container["Labels"]["dockup.app"] for container in leftovers.containers()}
        leftovers.remove(sorted(apps))
    finally:
        server.destroy()


async def deploy(server: Server, slug: str) -> None:
    body = {"create": True, "project": "P", "name": slug, "image": images.web(), "internal_port": images.PORT}
    async with server.client() as api:
        answer = await api.post(f"/deploy/{slug}?wait=60", json=body)
        assert answer.json()["status"] == "live", answer.text
        assert (await api.get(answer.json()["url"])).status_code == 200


async def answers(server: Server, slug: str) -> bool:
    async with server.client() as api:
        return (await api.get(f"https://{slug}-app.localhost:{server.https_port}/")).status_code == 200


async def test_the_golden_path(server: Server) -> None:
    """And what an app uses can be read: cgroups and the network of processes that are not the container's own."""
    await deploy(server, "first")

    async with server.client() as api:

        async def measured() -> bool:
            stats = (await api.get("/apps/first/stats")).json()
            assert stats["memory_usage"] > 0
            return bool(stats["network_rx_bytes"])

        await eventually(measured, what="a sample with memory and network")
        status = (await api.get("/system/status")).json()
    assert status["status"] == "ok", status
    assert {place for disk in status["disks"] for place in disk["places"]} == {"state", "engine"}


async def test_what_an_app_listens_on_is_seen(server: Server) -> None:
    """The runtime reads it from another process's `/proc`, which it must be able to see."""
    body = {"create": True, "project": "P", "name": "wrong", "image": images.wrong_port(), "internal_port": images.PORT}
    async with server.client() as api:
        await api.post("/deploy/wrong?wait=120", json={**body, "health_check": {"type": "tcp", "start_period_seconds": 3}})
        last = (await api.get("/apps/wrong/deployments")).json()["items"][0]
        # It has no container to be known by at the end: its image goes with it.
        assert (await api.delete("/apps/wrong")).is_success
    assert last["failure"]["data"]["listening"] == [9999], last


async def test_an_upload_reaches_a_builder(server: Server) -> None:
    await deploy(server, "uploaded")
    archive = b"".join(images.client().get_image(images.web()))
    async with server.client() as api:
        answer = await api.post("/deploy/uploaded?wait=60", content=archive, headers={"Content-Type": "application/octet-stream"})
    assert (answer.json()["source"], answer.json()["status"]) == ("upload", "live"), answer.text


def test_no_process_is_root(server: Server) -> None:
    for service in ("api", "builder", "runtime", "metrics", "router", "nats", "redis"):
        found = server.processes(service)
        assert found, service
        assert {row.split()[1] for row in found} == {"10001"}, found


def test_the_api_cannot_read_what_others_are_told(server: Server) -> None:
    """Not every Compose passes on how a command ended: what it could read is what counts."""
    assert "DOCKUP_NATS_URL" in server.read("api", "/run/dockup/api.env")
    for name in ("state.json", "builder.env", "runtime.env", "metrics.env", "router.env"):
        assert not server.read("api", f"/run/dockup/{name}"), name


async def test_builders_are_scaled(server: Server) -> None:
    server.compose("up", "--detach", "--wait", "--scale", "builder=3")
    async with server.client() as api:
        assert (await api.get("/system/status")).json()["components"]["builder"]["instances"] == 3
    await deploy(server, "scaled")


async def test_a_router_that_is_killed_loses_no_request(server: Server) -> None:
    await deploy(server, "steady")
    command = "python -P -m services.router"

    def router() -> int:
        """0 while there is none."""
        return next((int(row.split()[0]) for row in server.processes("router") if row.split(maxsplit=2)[2] == command), 0)

    before = router()
    async with Traffic("steady-app.localhost", server.https_port, server.trust()) as traffic:
        os.kill(before, signal.SIGKILL)

        async def another() -> bool:
            return router() not in {0, before}

        await eventually(another, what="another router")
        seen = len(traffic.calls)

        async def served() -> bool:
            return len(traffic.calls) > seen + 100

        await eventually(served, what="100 requests more")
    assert not traffic.failed
    await deploy(server, "after")


async def test_apps_go_on_over_down_and_up(server: Server) -> None:
    await deploy(server, "kept")
    leftovers = server.leftovers()
    before = {container["Id"] for container in leftovers.containers()}
    server.compose("down")
    assert {container["Id"] for container in leftovers.containers() if container["State"] == "running"} >= before
    server.compose("up", "--detach", "--wait")
    await eventually(lambda: answers(server, "kept"), what="the app")
    await deploy(server, "new")
    assert {container["Id"] for container in leftovers.containers()} > before


def test_nothing_ended_by_itself(server: Server) -> None:
    assert {container["Name"]: container["RestartCount"] for container in server.containers() if container["RestartCount"]} == {}
