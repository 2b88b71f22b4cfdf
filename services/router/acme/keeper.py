"""Sees to it that every host has a certificate in time: each on its own, so that one bad name never harms another.

Routers share the work through the records: who swaps its claim in does the order, and the others answer its challenges and show what
came of it.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from msgspec.structs import replace

from libs.common import clock
from libs.common.bus import Bus, BusAway
from libs.common.messages.router import Certificate, CertificateFailed, CertificateIssued
from services.router.acme import leaf, pace
from services.router.acme.records import Records, by_attempts, key_of

Order = Callable[[tuple[str, ...], Callable[[str, str], None]], str]
"""Blocks: names and how a challenge is published → key and chain; raises `OrderFailed`, or what else went wrong."""

_TICK = 1.0
_MOST_AT_ONCE = 8
_PUBLISH_SECONDS = 30.0
_SPREAD_SECONDS = 0.5
_AGAIN_SECONDS = 0.5

logger = structlog.get_logger()


class Keeper:
    """`wanted` gives the hosts that need a certificate of their own, `app_of` the app of a host, None for the server itself.

    `claim` is how long an order may take; `answering` says whether our proxy answers a token by now.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        router_id: str,
        records: Records,
        order: Order,
        claim: timedelta,
        first_pause: timedelta,
        wanted: Callable[[], set[str]],
        app_of: Callable[[str], str | None],
    ) -> None:
        self._bus = bus
        self._router_id = router_id
        self._records = records
        self._order = order
        self._claim = claim
        self._first_pause = first_pause
        self._wanted = wanted
        self._app_of = app_of
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._say_all = True
        self.answering: Callable[[str], bool] = lambda _token: False
        bus.reconnected.append(self._forget_what_was_said)

    async def run(self) -> None:
        """Until cancelled. Without the bus nobody can claim, and nothing begins."""
        await self._records.mirror.listed.wait()
        resealed = False
        while True:
            self._records.save_again()
            await self._records.put_back()
            resealed = resealed or await self._records.reseal()
            wanted = self._wanted()
            if self._bus.connected:
                self._begin(wanted)
                await self._say_again(wanted)
                await self._forget_old(wanted)
            await asyncio.sleep(_TICK)

    def _begin(self, wanted: set[str]) -> None:
        now = datetime.now(UTC)
        due = {host: record for host in wanted - self._busy.keys() if self._is_due(record := self._records.of(host), now)}
        for host in by_attempts(due)[: _MOST_AT_ONCE - len(self._busy)]:
            task = self._busy[host] = asyncio.create_task(self._get(host))
            task.add_done_callback(partial(self._done, host))

    def _done(self, host: str, _task: asyncio.Task[None]) -> None:
        self._busy.pop(host, None)

    def _is_due(self, record: Certificate, now: datetime) -> bool:
        return pace.is_due(record, now, held=self._records.pem(record.host) is not None)

    async def _get(self, host: str) -> None:
        before = self._records.of(host)
        until = clock.rfc3339(datetime.now(UTC) + self._claim)
        if not await self._records.write(before, replace(before, claimed_by=self._router_id, claimed_until=until, challenges={})):
            return
        logger.info("certificate.ordered", host=host, attempt=before.attempts + 1)
        try:
            pem = await _in_thread(partial(self._order, (host,), self._publisher(host)))
            leaf.check(pem)
            found = leaf.read(pem.encode())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this host's alone, and it is tried again
            await self._note_failure(host, str(error) or type(error).__name__, getattr(error, "retry_after", None))
            return
        await self._note_success(host, pem, found)

    def _publisher(self, host: str) -> Callable[[str, str], None]:
        loop = asyncio.get_running_loop()

        def publish(token: str, text: str) -> None:
            asyncio.run_coroutine_threadsafe(self._publish(host, token, text), loop).result(_PUBLISH_SECONDS)

        return publish

    async def _publish(self, host: str, token: str, text: str) -> None:
        """Have every router answer it: ours for certain, the others within a moment."""
        await self._change(host, lambda record: replace(record, challenges={**record.challenges, token: text}))
        while not self.answering(token):  # noqa: ASYNC110 - the caller's time is bounded
            await asyncio.sleep(0.02)
        await asyncio.sleep(_SPREAD_SECONDS)

    async def _note_success(self, host: str, pem: str, found: leaf.Leaf) -> None:
        def change(record: Certificate) -> Certificate:
            return Certificate(
                host=host,
                pem=self._records.seal(pem),
                serial=found.serial,
                issuer=found.issuer,
                issued_at=clock.now(),
                expires_at=clock.rfc3339(found.ends),
                renewals=record.renewals + 1 if record.pem else 0,
            )

        logger.info("certificate.issued", host=host, expires_at=clock.rfc3339(found.ends))
        await self._say(await self._change(host, change))

    async def _note_failure(self, host: str, error: str, asked_for: timedelta | None) -> None:
        now = datetime.now(UTC)

        def change(record: Certificate) -> Certificate:
            attempts = record.attempts + 1
            retry_at = clock.rfc3339(now + pace.pause(attempts, self._first_pause, asked_for, host))
            failed_at = clock.rfc3339(now)
            done = replace(record, attempts=attempts, error=error, failed_at=failed_at, retry_at=retry_at)
            return replace(done, claimed_by="", claimed_until="", challenges={})

        logger.warning("certificate.failed", host=host, error=error)
        await self._say(await self._change(host, change))

    async def _change(self, host: str, change: Callable[[Certificate], Certificate]) -> Certificate:
        """Bring the change in, however long the bus is away or others write."""
        while True:
            before = self._records.of(host)
            after = change(before)
            if await self._records.write(before, after):
                return after
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _say(self, record: Certificate) -> None:
        """The newest fact about it. What the bus does not take now is said again with everything."""
        try:
            if record.attempts:
                await self._bus.say(_failed(record, self._app_of(record.host)), self._app_of(record.host))
            elif record.pem:
                await self._bus.say(_issued(record, self._app_of(record.host)), self._app_of(record.host))
        except BusAway:
            self._say_all = True

    async def _say_again(self, wanted: set[str]) -> None:
        if not self._say_all:
            return
        self._say_all = False
        for host in sorted(wanted):
            await self._say(self._records.of(host))

    async def _forget_old(self, wanted: set[str]) -> None:
        """What nobody asks for any more is kept while it holds: a domain that comes back has its certificate at once."""
        now = datetime.now(UTC)
        for record in list(self._records.entries.values()):
            if record.host not in wanted | self._busy.keys() and pace.is_over(record, now):
                await self._records.forget(record)

    def _forget_what_was_said(self) -> None:
        self._say_all = True


def _issued(record: Certificate, app_id: str | None) -> CertificateIssued:
    return CertificateIssued(
        event_id=f"{key_of(record.host)}.{record.serial}.issued",
        at=record.issued_at,
        app_id=app_id,
        host=record.host,
        issuer=record.issuer,
        expires_at=record.expires_at,
        renewals=record.renewals,
    )


def _failed(record: Certificate, app_id: str | None) -> CertificateFailed:
    return CertificateFailed(
        event_id=f"{key_of(record.host)}.{record.failed_at}.failed",
        at=record.failed_at,
        app_id=app_id,
        host=record.host,
        error=record.error,
        retry_at=record.retry_at,
        attempts=record.attempts,
    )


async def _in_thread(work: Callable[[], str]) -> str:
    """A daemon: a router that is told to end does not wait for an authority."""
    future: Future[str] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="acme").start()
    return await asyncio.wrap_future(future)
