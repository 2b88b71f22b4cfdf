"""Certificates as OpenSSL and curl see them, and a stack without TLS."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from libs.common.bus import Bus
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app
from tests.servers.nats import NatsServer


def run(*command: str, feed: str = "") -> str:
    return subprocess.run(command, input=feed, capture_output=True, text=True, check=True).stdout


def openssl(*arguments: str, feed: str = "") -> str:
    return run("openssl", *arguments, feed=feed)


def presented(stack: Stack, host: str) -> str:
    target = ["-connect", f"127.0.0.1:{stack.https_port}", "-servername", host]
    return openssl("s_client", *target, "-verify_return_error", "-CAfile", str(stack.root), "-verify_hostname", host)


async def test_each_host_has_a_certificate_of_the_root(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    for host in (stack.host(app), "localhost"):
        assert "Verify return code: 0 (ok)" in presented(stack, host)
    text = openssl("x509", "-noout", "-text", feed=presented(stack, "localhost"))
    assert "DNS:localhost, IP Address:127.0.0.1" in text
    root = openssl("x509", "-noout", "-subject", "-in", str(stack.root))
    assert "Dockup local CA test" in root
    assert (stack.files / "ca" / "root.key").stat().st_mode & 0o777 == 0o600


async def test_a_leaf_is_kept_over_a_restart(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    path = stack.files / "certs" / f"{stack.host(app)}.pem"
    before = path.read_bytes()
    stack.kill_router()
    await stack.start()
    await stack.route(new_app())
    assert path.read_bytes() == before


async def test_a_root_key_that_is_broken_ends_nothing_and_is_said(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app, other = new_app(), new_app()
    await stack.route(app, replicas[0].upstream())
    stack.kill_router()
    os.kill(stack.haproxy_pid, signal.SIGKILL)
    key = stack.files / "ca" / "root.key"
    key.write_text("nonsense", encoding="ascii")
    await stack.start()
    assert (await stack.get(app)).json()["name"] == replicas[0].name
    await stack.route(other, replicas[1].upstream())
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        await stack.get(other)
    pong = await stack.ping()
    assert pong is not None
    assert (pong.status, "root.key is of no use" in pong.detail) == ("degraded", True)


async def test_http_2(stack: Stack, replicas: list[Replica]) -> None:
    await stack.start()
    app = new_app()
    await stack.route(app, replicas[0].upstream())
    url = f"https://{stack.host(app)}:{stack.https_port}/"
    curl = ["curl", "-sS", "--http2", "--cacert", str(stack.root), "-o", "/dev/null", "-w", "%{http_version} %{http_code}", url]
    assert await asyncio.to_thread(run, *curl) == "2 200"


async def test_without_tls_everything_is_on_the_http_port(home: Path, nats_server: NatsServer, bus: Bus, replicas: list[Replica]) -> None:
    stack = Stack(home, nats_server, bus, tls="off")
    try:
        await stack.start()
        app = new_app()
        await stack.route(app, replicas[0].upstream())
        [lease] = stack.leases.entries.values()
        assert lease.https_port is None
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{stack.http_port}/", headers={"Host": stack.host(app)})
        assert answer.json()["headers"]["x-forwarded-proto"] == "http"
    finally:
        stack.end()
