"""Coding sessions on a real engine, with a shell where the coding tool would be: what it reaches, and that nothing of it stays."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from libs.common import ids
from libs.common.bus import Bus, NoAnswer
from libs.common.engine import containers, networks
from libs.common.engine.connect import Engine
from libs.common.live.dial import Call, NotOpened, dial
from libs.common.messages.builder import GitLogin
from libs.common.messages.codex import DISK_FULL, KIND, PUSHED, CodexRequest, CodexSource, Pushed
from libs.common.messages.sessions import BYTES, END_OF_INPUT, ERRORS, EXITED, Ended
from tests import coders, images
from tests.integration.runtime.stack import Stack
from tests.servers.git import PASSWORD, USER, GitServer
from tests.servers.git import git as git_of
from tests.servers.model import KEY, ModelServer
from tests.servers.nats import NatsServer
from tests.stack.eventually import eventually

SESSION = "ab12"


@pytest.fixture(autouse=True)
def image() -> str:
    """Made before anything waits for anything."""
    return coders.shell()


@pytest.fixture
async def stack(home: Path, nats_server: NatsServer, bus: Bus, engine: Engine, model: ModelServer) -> AsyncIterator[Stack]:
    stack = Stack(home, nats_server, bus, engine)
    stack.settings = {"DOCKUP_CODEX_API": model.url, "DOCKUP_EGRESS_ALLOW": "127.0.0.1", "DOCKUP_CODEX_SESSIONS": "2"}
    stack.settings["DOCKUP_CODEX_DISK_MB"] = "64"
    await stack.start()

    async def takes_sessions() -> bool:
        with contextlib.suppress(NoAnswer):
            return await refusal(stack, image="dockup-test/nobody-made-it") == "codex_not_configured"
        return False

    await eventually(takes_sessions, what="the runtime to take sessions")
    yield stack
    await stack.end()


def wanted(stack: Stack, host: GitServer | None = None, **fields: object) -> CodexRequest:
    login = stack.vault.seal(GitLogin(username=USER, password=PASSWORD))
    source = CodexSource(url=host.url("demo"), branch="main", login=login) if host else None
    defaults: dict[str, object] = {"id": SESSION, "image": coders.shell(), "key": stack.vault.seal(KEY), "source": source, "tty": False}
    return CodexRequest(**{**defaults, **fields})  # type: ignore[arg-type]


async def refusal(stack: Stack, **fields: object) -> str:
    """The code that such a session is refused with."""
    with pytest.raises(NotOpened) as refused:
        async with dial(stack.bus, KIND, ids.new("app"), wanted(stack, **fields)):
            pass
    return refused.value.code


class Heard(msgspec.Struct):
    """All that a session said."""

    output: str
    errors: str
    pushed: list[Pushed]
    ended: Ended | None


async def hear(call: Call, script: str) -> Heard:
    """Have the shell run it, and listen to the end."""
    await call.channel.send(script.encode(), BYTES)
    await call.channel.put(b"", END_OF_INPUT)
    heard = Heard("", "", [], None)
    async with asyncio.timeout(60):
        while (frame := await call.channel.receive()) is not None:
            if frame.tag == PUSHED:
                heard.pushed.append(msgspec.json.decode(frame.body, type=Pushed))
            elif frame.tag == ERRORS:
                heard.errors += frame.body.decode()
            else:
                heard.output += frame.body.decode()
    heard.ended = call.channel.ended
    return heard


async def left(stack: Stack) -> list[str]:
    """What is on the engine of coding sessions of this installation."""
    found = [each.name for each in await containers.list_ours(stack.engine, stack.instance) if "dockup.codex" in each.labels]
    return found + [each.name for each in await networks.list_all(stack.engine) if each.name.startswith(f"dk-{stack.instance}-codex-")]


@pytest.fixture
async def neighbour(stack: Stack) -> str:
    """The address of a container in another network, which answers on 8080."""
    made = stack.engine.api.create_container(images.web(), labels={"dockup.instance": stack.instance})["Id"]
    stack.engine.api.start(made)
    address: str = stack.engine.api.inspect_container(made)["NetworkSettings"]["IPAddress"]

    async def answers() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((address, 8080), timeout=5).close()
            return True
        return False

    await eventually(answers, what="the neighbour to listen")
    return address


async def test_what_a_session_reaches(stack: Stack, model: ModelServer, host: GitServer, neighbour: str) -> None:
    app_id = ids.new("app")
    script = """
    echo user $(id -u) in $PWD
    grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status
    url=$(sed -n 's/^base_url = "\\(.*\\)"/\\1/p' $CODEX_HOME/config.toml)
    wget -q -O - --header 'Content-Type: application/json' --post-data '{"input":[]}' $url/responses
    wget -q -O - $url/models || echo no models
    nc -w 1 NEIGHBOUR 8080 </dev/null || echo no way out
    echo changed >page && git commit -qam Changed && git push -q origin HEAD:main || echo no push to main
    git push -q origin HEAD && echo head $(git rev-parse HEAD)
    cat /proc/*/environ /proc/*/cmdline $CODEX_HOME/* .git/config | tr '\\0' '\\n'
    exit 7
    """
    async with dial(stack.bus, KIND, app_id, wanted(stack, host)) as call:
        assert call.replica == f"dk-{app_id}-codex-{SESSION}"
        inside = stack.engine.api.inspect_container(call.replica)
        limits = inside["HostConfig"]
        assert (limits["CpuQuota"], limits["Memory"] >> 20, limits["Dns"]) == (200_000, 2048, ["127.0.0.1"])
        (network,) = inside["NetworkSettings"]["Networks"]
        assert stack.engine.api.inspect_network(network)["Internal"]
        heard = await hear(call, script.replace("NEIGHBOUR", neighbour))
    assert heard.ended == Ended(reason=EXITED, code=7), heard
    lines = heard.output.splitlines()
    assert lines[0] == "user 1000 in /work", heard
    assert {line.split()[-1] for line in lines[1:4]} == {"0000000000000000", "1"}
    assert "response.completed" in heard.output
    for words in ("no models", "no way out", "no push to main"):
        assert words in lines, heard
    head = git_of(host.path("demo"), "rev-parse", f"dockup/codex-{SESSION}")
    assert f"head {head}" in lines
    assert heard.pushed == [Pushed(branch=f"dockup/codex-{SESSION}", commit=head)]
    assert model.asked[-1][1]["authorization"] == f"Bearer {KEY}"
    everything = heard.output + heard.errors + str(inside)
    assert not [secret for secret in (KEY, PASSWORD) if secret in everything]
    await gone(stack, "container and network to go")


async def gone(stack: Stack, what: str) -> None:
    async def nothing() -> bool:
        return not await left(stack)

    await eventually(nothing, 30, what=what)


async def test_refusals_an_empty_folder_and_what_a_killed_runtime_leaves(stack: Stack) -> None:
    app_id = ids.new("app")
    assert await refusal(stack, image="dockup-test/nobody-made-it") == "codex_not_configured"
    assert not await left(stack), "a session that was refused leaves nothing"
    async with dial(stack.bus, KIND, app_id, wanted(stack)) as first, dial(stack.bus, KIND, ids.new("app"), wanted(stack, id="cd34")):
        assert len(await left(stack)) == 4
        assert await refusal(stack, id="ef56") == "too_many_sessions"
        heard = await hear(first, "ls -A | wc -l; git clone $DOCKUP_GIT_URL x || echo nothing there")
        assert heard.output.split("\n")[:2] == ["0", "nothing there"], heard

    await gone(stack, "both to go with their clients")
    async with dial(stack.bus, KIND, ids.new("app"), wanted(stack)) as full:
        heard = await hear(full, "dd if=/dev/zero of=/tmp/large bs=1M count=80; sleep 60")
        assert heard.ended
        assert (heard.ended.reason, "more than the 64 MB of DOCKUP_CODEX_DISK_MB" in heard.ended.detail) == (DISK_FULL, True)
    await gone(stack, "what wrote too much to go")
    await a_terminal_and_the_runtime_killed(stack)


async def a_terminal_and_the_runtime_killed(stack: Stack) -> None:
    """What a runtime that was killed leaves behind is taken away by the next."""
    async with dial(stack.bus, KIND, ids.new("app"), wanted(stack, tty=True)) as call:
        await call.channel.send(b"tty; echo $TERM\n", BYTES)
        shown = ""
        async with asyncio.timeout(30):
            while "xterm-256color" not in shown:
                frame = await call.channel.receive()
                assert frame
                shown += frame.body.decode()
        assert "/dev/pts/" in shown
        stack.kill_runtime()
        call.channel.end(Ended(reason="left"))
    assert len(await left(stack)) == 2
    stack.launch()
    await gone(stack, "the new runtime to sweep")


@pytest.mark.long
async def test_the_api_goes_without_a_word(stack: Stack, nats_server: NatsServer) -> None:
    api = await Bus.connect(nats_server.url, "api")
    async with dial(api, KIND, ids.new("app"), wanted(stack)) as call:
        assert len(await left(stack)) == 2
        await api.close()
        await gone(stack, "the runtime to notice")
        call.channel.end(Ended(reason="left"))
