"""What stands in front of an app: live over the runtime socket, without a reload, and there again after a restart of the proxy."""

import hashlib
import os
import signal
from base64 import b64encode

import httpx
import pytest
from cryptography.fernet import Fernet

from libs.common.messages.api import Front, Guard, Redirect
from libs.common.secrets import Vault
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, until

KEY = Fernet.generate_key().decode()
OWN, WWW, OLD = "app-app.localhost", "www.example.com", "old.example.com"
HOSTS = (OWN, WWW, OLD)


def guard(**users: str) -> str:
    digests = {name: hashlib.sha256(f"pepper:{sent(name, password)}".encode()).hexdigest() for name, password in users.items()}
    return Vault(KEY).seal(Guard(salt="pepper", users=digests))


def sent(name: str, password: str) -> str:
    return b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
async def fronted(stack: Stack, replicas: list[Replica]) -> Stack:
    stack.set(secret_key=KEY)
    await stack.start()
    await stack.route("app", replicas[0].upstream(), hosts=HOSTS)
    return stack


async def ask(stack: Stack, host: str, *, secure: bool = True, path: str = "/a?b=c", **headers: str) -> httpx.Response:
    port = stack.https_port if secure else stack.http_port
    url = f"{'https' if secure else 'http'}://127.0.0.1:{port}{path}"
    async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 - another name than the address's
        return await client.get(url, headers={"Host": host, **headers})


async def test_all_of_it_live(fronted: Stack, replicas: list[Replica]) -> None:
    stack, up, pid = fronted, replicas[0].upstream(), fronted.haproxy_pid
    worker = (stack.files / "haproxy.pid").stat().st_mtime
    [lease] = stack.leases.entries.values()
    probe = {"X-Dockup-Probe": lease.probe_token}
    redirects = (Redirect(host=OLD, to=WWW), Redirect(host=OWN, to="elsewhere.example", status=302))
    await stack.route("app", up, hosts=HOSTS, front=Front(redirects=redirects))
    for secure in (True, False):
        answer = await ask(stack, OLD, secure=secure)
        assert (answer.status_code, answer.headers["location"]) == (308, f"https://{WWW}:{stack.https_port}/a?b=c")
    answer = await ask(stack, OWN)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://elsewhere.example/a?b=c")
    assert (await ask(stack, OWN, **probe)).status_code == 200, "a deployment is probed all the same"
    assert (await ask(stack, WWW)).status_code == 200

    assert (await ask(stack, WWW, secure=False)).status_code == 308
    await stack.route("app", up, hosts=HOSTS, front=Front(https_redirect=False))
    assert (await ask(stack, WWW, secure=False)).status_code == 200
    assert (await ask(stack, OLD)).status_code == 200

    await stack.route("app", up, hosts=HOSTS, front=Front(maintenance=77))
    answer = await ask(stack, WWW)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "77", "app_in_maintenance")
    assert "<h1>" in (await ask(stack, WWW, Accept="text/html")).text
    assert (await ask(stack, WWW, **probe)).status_code == 200

    await stack.route("app", up, hosts=HOSTS, front=Front(basic_auth=guard(ada="a long password", bob="päss wörd")))
    answer = await ask(stack, WWW)
    assert (answer.status_code, answer.json()["code"]) == (401, "app_needs_password")
    assert answer.headers["www-authenticate"] == f'Basic realm="{WWW}", charset="UTF-8"'
    assert (await ask(stack, WWW, **probe)).status_code == 200
    for name, password, status in (
        ("ada", "a long password", 200),
        ("bob", "päss wörd", 200),
        ("ada", "päss wörd", 401),
        ("ada", "", 401),
        ("", "", 401),
        ("bob", "a long password", 401),
    ):
        answer = await ask(stack, WWW, Authorization=f"Basic {sent(name, password)}")
        assert answer.status_code == status, (name, password)
    answer = await ask(stack, WWW, Authorization=f"Basic {sent('ada', 'a long password')}")
    assert "authorization" not in answer.json()["headers"], "the app never sees it"
    for wrong in ("Bearer x", "Basic", "Basic x y", sent("ada", "a long password")):
        assert (await ask(stack, WWW, Authorization=wrong)).status_code == 401, wrong

    await stack.route("app", up, hosts=HOSTS, front=Front(basic_auth=Vault(Fernet.generate_key().decode()).seal(Guard(salt="x"))))
    assert (await ask(stack, WWW, Authorization=f"Basic {sent('ada', 'a long password')}")).status_code == 401, "unreadable: nobody passes"
    await stack.route("app", up, hosts=HOSTS)
    assert (await ask(stack, WWW)).status_code == 200
    assert (stack.haproxy_pid, (stack.files / "haproxy.pid").stat().st_mtime) == (pid, worker), "no reload"


async def test_it_is_there_again_with_a_new_proxy(fronted: Stack, replicas: list[Replica]) -> None:
    """From the files alone: there is no moment without the guard."""
    await fronted.route("app", replicas[0].upstream(), hosts=HOSTS, front=Front(basic_auth=guard(ada="a long password")))
    credential = fronted.files / "credential.map"
    await until(lambda: credential.read_text(encoding="utf-8").count("\n") == len(HOSTS))
    assert credential.stat().st_mode & 0o777 == 0o600
    fronted.kill_router()
    os.kill(fronted.haproxy_pid, signal.SIGKILL)
    await fronted.start()
    assert (await ask(fronted, WWW)).status_code == 401
    assert (await ask(fronted, WWW, Authorization=f"Basic {sent('ada', 'a long password')}")).status_code == 200
