"""The gate of one session: takes what the rules let through, puts the login on, and passes the answer back piece by piece."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import h11
import httpx
import msgspec
import structlog

from libs.common import egress
from libs.common.address import address_of
from libs.common.asking import ASKING_ERRORS, asked
from libs.common.egress import AddressRefused, Allowed, HostUnknown
from libs.common.messages.builder import GitLogin
from services.runtime.codex.gate import pushes, rules
from services.runtime.codex.gate.exchange import Exchange, Gone
from services.runtime.codex.gate.pushes import Push
from services.runtime.codex.gate.rules import Refused, Rules, Wanted

MOST_CONNECTIONS = 32
_HEAD_SECONDS = 30.0
_ANSWER_SECONDS = 900.0
"""Without a byte from the other side: a model may think that long before it says more."""
_REPORT = 64 * 1024
_LINGER = 1024 * 1024

logger = structlog.get_logger()


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gate leads: the model's API with the user's `key`, and the repository, empty where there is none."""

    model: str
    key: str
    repository: str = ""
    login: GitLogin | None = None

    def url_of(self, wanted: Wanted) -> str:
        return (self.model if wanted is Wanted.MODEL else self.repository).rstrip("/") + wanted.path.decode()

    def authorization(self, wanted: Wanted) -> dict[str, str]:
        if wanted is Wanted.MODEL:
            return {"Authorization": f"Bearer {self.key}"}
        if self.login is None:
            return {}
        text = f"{self.login.username}:{self.login.password}"
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


class Gate:
    """`peer` is the one address that may come; `on_push` is told of each push that the host took."""

    def __init__(
        self, its_rules: Rules, upstream: Upstream, allowed: Allowed, *, peer: str, on_push: Callable[[Push], Awaitable[None]]
    ) -> None:
        self._rules = its_rules
        self._upstream = upstream
        self._allowed = allowed
        self._peer = peer
        self._on_push = on_push
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str) -> int:
        """Take requests at an address of this machine; the port."""
        self._server = await asyncio.start_server(self._come, host, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Nothing goes through any more, and what was going is cut off."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if not peer or peer[0] != self._peer or len(self._tasks) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(Gone, TimeoutError, OSError):
                await self._answer(Exchange(reader, writer))
                await _linger(reader, writer)
        except Exception:
            logger.exception("codex.gate_failed")
        finally:
            writer.close()

    async def _answer(self, exchange: Exchange) -> None:
        async with asyncio.timeout(_HEAD_SECONDS):
            request = await exchange.request()
        wanted = None
        try:
            wanted = rules.judge(self._rules, request.method, request.target, list(request.headers))
            await self._pass_on(exchange, wanted, request)
        except Refused as refused:
            await _refuse(exchange, wanted, refused)

    async def _pass_on(self, exchange: Exchange, wanted: Wanted, request: h11.Request) -> None:
        headers = {**rules.kept(wanted, request.headers), **self._upstream.authorization(wanted)}
        body: AsyncIterator[bytes] = exchange.body(wanted.most)
        push, size = None, rules.length(request.headers)
        if wanted is Wanted.PUSH:
            push, body = await self._look_into(body)
            size = size if push.ref else len(pushes.FLUSH)
        if size is not None and wanted.most:
            headers["Content-Length"] = str(size)
        answer = self._ask(wanted, headers, body if wanted.most else None)
        report = b""
        async for piece in self._relay(exchange, answer):
            report += piece[: _REPORT - len(report)] if push else b""
        if push and push.ref and pushes.was_taken(report, push):
            await self._on_push(push)

    async def _relay(self, exchange: Exchange, answer: contextlib.AbstractAsyncContextManager[httpx.Response]) -> AsyncIterator[bytes]:
        """Give the session each piece the moment it is here, and yield it."""
        try:
            async with answer as came:
                if came.is_redirect:
                    raise Refused(502, "the other side leads elsewhere, where a session does not follow")
                await exchange.begin(came.status_code, rules.back(came.headers.raw))
                async for piece in came.aiter_raw():
                    await exchange.give(piece)
                    yield piece
                await exchange.end()
        except ASKING_ERRORS as error:
            raise Refused(502, f"the other side did not answer: {error or type(error).__name__}") from error

    @contextlib.asynccontextmanager
    async def _ask(self, wanted: Wanted, headers: dict[str, str], body: AsyncIterator[bytes] | None) -> AsyncIterator[httpx.Response]:
        address = address_of(self._upstream.url_of(wanted))
        try:
            route = await egress.resolve(address.host, address.port, self._allowed)
        except (AddressRefused, HostUnknown) as error:
            raise Refused(502, f"{error}") from error
        if address.scheme == "http" and not route.allowed:
            raise Refused(502, f"{address.host} is asked over plain http, which only a host in DOCKUP_EGRESS_ALLOW may be")
        method = wanted.value[0].decode()
        async with asked(address, route, seconds=_ANSWER_SECONDS, method=method, headers=headers, body=body) as answer:
            yield answer

    async def _look_into(self, body: AsyncIterator[bytes]) -> tuple[Push, AsyncIterator[bytes]]:
        """Read the commands of a push before anybody is asked; what was read goes on in front of the rest."""
        head = b""
        while (push := pushes.read(head)) is None:
            piece = await anext(body, b"")
            if not piece:
                raise Refused(400, "this is no push")
            head += piece
        pushes.check(push, self._rules.branch or "")
        return push, _chained(head, body) if push.ref else _chained(pushes.FLUSH, None)


async def _chained(head: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield head
    if rest is not None:
        async for piece in rest:
            yield piece


async def _refuse(exchange: Exchange, wanted: Wanted | None, refused: Refused) -> None:
    logger.info("codex.gate_refused", wanted=wanted.name if wanted else None, status=refused.status, why=str(refused))
    if wanted is Wanted.MODEL:
        body = msgspec.json.encode({"error": {"message": f"Dockup: {refused}", "type": "dockup_gate", "code": None, "param": None}})
        await exchange.refuse(refused.status, body, "application/json")
    else:
        await exchange.refuse(refused.status, f"{refused}\n".encode(), "text/plain")


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what still comes of a body that nobody wanted: closed at once, the answer might not be read."""
    if writer.can_write_eof():
        writer.write_eof()
    left = _LINGER
    async with asyncio.timeout(1):
        while left > 0 and (piece := await reader.read(_REPORT)):
            left -= len(piece)
