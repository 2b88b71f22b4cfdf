"""The gate of a coding session over real sockets: a real git on this side, a real git host and a model's API on the other."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from libs.common import egress
from libs.common.messages.builder import GitLogin
from services.runtime.codex.gate.pushes import Push
from services.runtime.codex.gate.rules import Rules
from services.runtime.codex.gate.server import MOST_CONNECTIONS, Gate, Upstream
from tests.servers.git import PASSWORD, USER, GitServer
from tests.servers.git import git as git_of
from tests.servers.model import KEY, ModelServer

TOKEN, BRANCH = "a-token", "dockup/codex-ab12"
LOGIN = GitLogin(username=USER, password=PASSWORD)


class Session:
    """What a session would hold: its gate, by address; `pushed` is what the gate tells."""

    def __init__(self, model: ModelServer, host: GitServer) -> None:
        self.pushed: list[Push] = []
        self.upstream = Upstream(model=model.url, key=KEY, repository=host.url("demo"), login=LOGIN)
        self.allowed = egress.parse(["127.0.0.1"])
        self.rules = Rules(token=TOKEN, branch=BRANCH, may_push=True)
        self.peer = "127.0.0.1"
        self.port = 0
        self._gates: list[Gate] = []

    async def open(self) -> None:
        async def tell(push: Push) -> None:
            self.pushed.append(push)

        gate = Gate(self.rules, self.upstream, self.allowed, peer=self.peer, on_push=tell)
        self._gates.append(gate)
        self.port = await gate.listen("127.0.0.1")

    async def close(self) -> None:
        for gate in self._gates:
            await gate.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{TOKEN}"

    async def raw(self, request: bytes) -> bytes:
        """All that is answered to these bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
async def session(model: ModelServer, host: GitServer) -> AsyncIterator[Session]:
    session = Session(model, host)
    await session.open()
    yield session
    await session.close()


async def git(folder: Path, *words: str) -> tuple[int, str]:
    """Git as it is in a session: without a login, and with nobody to ask for one."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=Codex", "-c", "user.email=codex@localhost")
    process = await asyncio.create_subprocess_exec("git", *who, *words, cwd=folder, env=env, stdout=-1, stderr=-2)
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_git_reads_all_and_writes_one_branch(session: Session, host: GitServer, tmp_path: Path) -> None:
    main = git_of(host.path("demo"), "rev-parse", "main")
    assert (await git(tmp_path, "clone", "-q", f"{session.url}/git", "work"))[0] == 0
    work = tmp_path / "work"
    (work / "large").write_bytes(os.urandom(3_000_000))
    for words in (("add", "large"), ("commit", "-qm", "More")):
        assert (await git(work, *words))[0] == 0
    refused = [("HEAD:main",), ("HEAD:refs/tags/v1",), (f"HEAD:{BRANCH}", "HEAD:main"), (f"HEAD:{BRANCH}x",), ("-o", "x", f"HEAD:{BRANCH}")]
    for refs in refused:
        code, said = await git(work, "push", "origin", *refs) if refs[0] != "-o" else await git(work, "push", "-o", "x", "origin", refs[2])
        assert code, said
    assert not session.pushed
    code, said = await git(work, "push", "origin", f"HEAD:{BRANCH}")
    assert code == 0, said
    head = (await git(work, "rev-parse", "HEAD"))[1].strip()
    assert [(push.ref, push.commit) for push in session.pushed] == [(f"refs/heads/{BRANCH}", head)]
    assert (await git(work, "push", "origin", f":{BRANCH}"))[0]
    refs = git_of(host.path("demo"), "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert refs == [f"refs/heads/{BRANCH} {head}", f"refs/heads/main {main}"]
    git_of(host.path("demo"), "config", "receive.denyNonFastForwards", "true")
    assert (await git(work, "commit", "-q", "--amend", "-m", "Other"))[0] == 0
    assert (await git(work, "push", "--force", "origin", f"HEAD:{BRANCH}"))[0], "the host refused it"
    assert len(session.pushed) == 1
    session.rules = Rules(token=TOKEN, branch=BRANCH)
    await session.open()
    assert (await git(tmp_path, "clone", "-q", f"{session.url}/git", "again"))[0] == 0
    assert (await git(tmp_path / "again", "push", "origin", f"HEAD:{BRANCH}"))[0]


async def test_an_answer_comes_as_it_is_said(session: Session, model: ModelServer) -> None:
    model.held.set()
    headers = {"Authorization": "Bearer mine", "Cookie": "a=b", "X-Codex-Turn": "1"}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=10) as client,
        client.stream("POST", f"{session.url}/model/responses", json={"input": []}, headers=headers) as answer,
    ):
        pieces = answer.aiter_raw()
        first = await anext(pieces)
        assert b"response.created" in first
        assert b"completed" not in first
        model.held.clear()
        rest = b"".join([piece async for piece in pieces])
    assert b"response.completed" in rest
    assert answer.headers["content-type"] == "text/event-stream"
    asked, had, _ = model.asked[-1]
    assert (asked, had["authorization"], had["x-codex-turn"]) == ("POST /v1/responses", f"Bearer {KEY}", "1")
    assert "cookie" not in had


async def test_what_is_not_let_through_reaches_nobody(session: Session, model: ModelServer, host: GitServer) -> None:
    """Requests that two readers could read in two ways, or that ask for more than a session may."""
    start = f"/{TOKEN}".encode()
    post = b"POST %b/model/responses HTTP/1.1\r\nHost: x\r\n" % start
    cases = [
        (b"GET %b/model/models HTTP/1.1\r\nHost: x\r\n\r\n" % start, b"403"),
        (b"GET /wrong/model/responses HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET %b/model/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % start, b"405"),
        (post + b"\r\n", b"411"),
        (post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (post + b"Content-Length: 99999999\r\n\r\n", b"413"),
        (b"POST %b/git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n0099abcd" % start, b"400"),
        (b"POST %b/git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nPACK" % start, b"400"),
        (post + b"Content-Length: 1, 2\r\n\r\nx", b""),
        (post + b"Content-Length: +1\r\n\r\nx", b""),
        (post + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b""),
        (post + b"Content-Length : 1\r\n\r\nx", b""),
        (post + b"X: " + b"a" * 100_000 + b"\r\n\r\n", b""),
        (b"\x16\x03\x01\x02\x00\x01", b""),
    ]
    before = len(model.asked), len(host.asked)
    for request, status in cases:
        answer = await session.raw(request) if status else await _cut(session, request + b"\r\n")
        assert answer.split(b" ")[1:2] == ([status] if status else []), (request[:200], answer)
    assert (len(model.asked), len(host.asked)) == before
    whole = b"Content-Length: 2\r\n\r\n{}"
    answer = await session.raw(post + whole + b"GET %b/model/models HTTP/1.1\r\nHost: x\r\n\r\n" % start)
    assert answer.count(b"HTTP/1.1 ") == 1, "a second request on the connection is nobody's"
    assert len(model.asked) == before[0] + 1


async def _cut(session: Session, request: bytes) -> bytes:
    """What is answered to somebody who says no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
    writer.write(request)
    writer.write_eof()
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


async def test_where_the_gate_leads(session: Session, host: GitServer, tmp_path: Path) -> None:
    """What may not be reached, what leads elsewhere, and who comes from elsewhere."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:

        async def ask() -> httpx.Response:
            return await client.get(f"{session.url}/git/info/refs?service=git-upload-pack")

        assert (await ask()).status_code == 200
        host.redirects["demo"] = "http://127.0.0.1:1/other"
        moved = await ask()
        assert (moved.status_code, "location" in moved.headers) == (502, False)
        host.redirects.clear()
        host.login = ("somebody", "else")
        unknown = await ask()
        assert (unknown.status_code, "www-authenticate" in unknown.headers) == (401, False)
        session.allowed = egress.parse([])
        await session.open()
        refused = await ask()
        assert (refused.status_code, "loopback" in refused.text) == (502, True)
        wanted = {"input": []}
        told = (await client.post(f"{session.url}/model/responses", json=wanted)).json()["error"]["message"]
        assert "DOCKUP_EGRESS_ALLOW" in told
        session.peer = "127.0.0.2"
        await session.open()
        with pytest.raises(httpx.TransportError):
            await ask()


async def test_one_session_holds_so_many_connections_and_ends_with_its_gate(session: Session) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", session.port) for _ in range(MOST_CONNECTIONS)]
    reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    await session.close()
    for reader, writer in idle:
        assert await reader.read() == b""
        writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", session.port)
