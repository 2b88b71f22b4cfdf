"""The proxy outlives the router, comes back when it is killed, and keeps what the bus forgets."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until
from tests.integration.router.traffic import Load, WebSocket


async def answers(stack: Stack, app: str) -> bool:
    try:
        return (await stack.get(app)).status_code == 200
    except OSError:
        return False


async def serves_again(stack: Stack, app: str) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                if (await stack.get(app)).status_code == 200:
                    return
            except Exception:  # noqa: BLE001 - refused, reset, half a handshake: not yet
                await asyncio.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


async def test_a_killed_haproxy_comes_back_with_every_route(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    apps = [new_app() for _ in range(3)]
    for app, replica in zip(apps, replicas, strict=True):
        await stack.route(app, replica.upstream())
    os.kill(stack.haproxy_pid, signal.SIGKILL)
    for app, replica in zip(apps, replicas, strict=True):
        await serves_again(stack, app)
        assert (await stack.get(app)).json()["name"] == replica.name


async def test_a_killed_worker_comes_back(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    master = stack.haproxy_pid
    [worker] = children(master)
    os.kill(worker, signal.SIGKILL)
    await serves_again(stack, app)
    assert stack.haproxy_pid != master


async def test_a_new_router_adopts_the_proxy_without_a_dropped_connection(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    pid = stack.haproxy_pid
    web_socket = await WebSocket.open(stack.root, stack.https_port, stack.host(app))
    load = Load(stack.root, stack.https_port, stack.host(app)).start(3)
    stack.kill_router()
    await load.sends(50)
    changed = await stack.put(app, replicas[1].upstream())
    await stack.start()
    await stack.wait_applied(changed)
    await load.sends(50)
    await load.stop()
    assert not load.failed
    assert await web_socket.echoes()
    assert stack.haproxy_pid == pid
    assert (await stack.get(app)).json()["name"] == replicas[1].name


async def test_a_wiped_bus_takes_nothing_away(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    stack.nats.kill()
    stack.nats.wipe()
    assert await answers(stack, app)
    stack.nats.start()
    stack.nats.ensure()
    stack.applied.entries.clear()
    await until(lambda: any(entry.app_id == app for entry in stack.applied.entries.values()), seconds=40)
    assert await answers(stack, app)
    await stack.route(app, replicas[1].upstream())
    assert (await stack.get(app)).json()["name"] == replicas[1].name


async def unknown(stack: Stack, app: str) -> bool:
    answer = await stack.ask("GET", "localhost", "/", {"Host": stack.host(app)})
    return (answer.status_code, answer.json()["code"]) == (404, "unknown_host")


async def test_an_app_that_went_stays_away_when_the_router_is_killed_just_then(stack: Stack, replicas: list[Replica]) -> None:
    """Once the router said so, nobody keeps a word of it: not the bus, and so not the disk."""
    await stack.start()
    app, other = new_app(), new_app()
    await stack.route(app, replicas[0].upstream())
    await until(lambda: app in (stack.files / "table.json").read_text(encoding="utf-8"))
    await stack.route(app, hosts=())
    stack.kill_router()
    await stack.routes.delete(app)
    await stack.start()
    await stack.route(other, replicas[1].upstream())
    assert await unknown(stack, app)
    assert app not in (stack.files / "table.json").read_text(encoding="utf-8")


async def test_an_app_whose_first_route_was_not_saved_goes_too(stack: Stack, replicas: list[Replica]) -> None:
    """The router was killed between the proxy and the disk, and the app was deleted while it was away."""
    await stack.start()
    before = (stack.files / "table.json").read_bytes()
    app, other = new_app(), new_app()
    await stack.route(app, replicas[0].upstream())
    stack.kill_router()
    (stack.files / "table.json").write_bytes(before)
    gone = await stack.put(app, hosts=())
    await stack.start()
    await stack.wait_applied(gone)
    assert await unknown(stack, app)
    await stack.route(other, replicas[1].upstream())
    assert (await stack.get(other)).json()["name"] == replicas[1].name


async def test_a_silent_bus_keeps_nobody_from_serving(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    await until(lambda: app in (stack.files / "table.json").read_text(encoding="utf-8"))
    stack.nats.kill()
    stack.kill_router()
    os.kill(stack.haproxy_pid, signal.SIGKILL)
    stack.launch()
    await serves_again(stack, app)


async def test_a_proxy_without_a_table_keeps_what_it_serves(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    first, second = new_app(), new_app()
    await stack.route(first, replicas[0].upstream())
    await stack.route(second, replicas[1].upstream())
    stack.kill_router()
    (stack.files / "table.json").unlink()
    await stack.routes.delete(first)
    await stack.start()
    third = new_app()
    await stack.route(third, replicas[2].upstream())
    for app, replica in ((first, replicas[0]), (second, replicas[1]), (third, replicas[2])):
        assert (await stack.get(app)).json()["name"] == replica.name


async def test_a_taken_port_is_a_sentence_and_no_end(stack: Stack) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", stack.https_port))
        holder.listen()
        stack.launch()
        async with asyncio.timeout(15):
            while (pong := await stack.ping()) is None or "DOCKUP_HTTPS_PORT" not in pong.detail:
                await asyncio.sleep(0.05)
        assert pong.status == "degraded"
        assert f"Port {stack.https_port} is taken by" in pong.detail
        assert not stack.leases.entries
    await until(lambda: stack.leases.entries)
    healthy = await stack.ping()
    assert healthy is not None
    assert healthy.status == "ok"


async def test_nobody_shares_the_ports(stack: Stack, replicas: list[Replica]) -> None:
    """Two that do get some of the requests each, and a deploy that is live at one is unknown at the other."""
    await stack.start()
    stack.stop_router()
    stack.set(router_backends="300")
    await stack.start()  # the sockets of a reloaded proxy are the same
    await stack.route(new_app(), replicas[0].upstream())
    for port in (stack.http_port, stack.https_port):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))


async def test_a_changed_setting_reloads_the_proxy_that_runs(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    pid = stack.haproxy_pid
    web_socket = await WebSocket.open(stack.root, stack.https_port, stack.host(app))
    stack.stop_router()
    stack.set(router_backends="300")
    await stack.start()
    assert stack.haproxy_pid == pid
    assert (await stack.get(app)).json()["name"] == replicas[0].name
    assert await web_socket.echoes()
