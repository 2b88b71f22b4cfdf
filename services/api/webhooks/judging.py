"""Judges deliveries in the order in which they came, one at a time, so that whoever sends many is answered at once.

What a killed process left is found in its rows.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from libs.common import clock
from services.api.db.passing import passes
from services.api.webhooks import receive
from services.api.webhooks.models import DeliveryRow
from services.api.webhooks.receive import RECEIVED, Signed
from services.api.webhooks.schemas import Delivery

if TYPE_CHECKING:
    from services.api.core import Core

_PATIENCE = 0.05
"""Seconds that an answer waits for the verdict; it is written down later all the same."""
_QUIET = 0.015
"""Seconds without a new delivery before one is judged: that takes longer than taking one."""
_LONGEST_WAIT = 2.0
_TOGETHER = 50
"""Deliveries that are written down in one transaction."""
_LEFT_AFTER = timedelta(seconds=5)
_TAKEN_UP_WITHIN = timedelta(days=1)
"""An older push is nothing to deploy any more."""
_LOOK_SECONDS = 5.0
_FAILED = "failed: Dockup itself failed; have it judged again"

logger = structlog.get_logger()


class _Coming(NamedTuple):
    """A delivery that is to be written down; `kept` is what its sender waits for."""

    app_id: str
    signed: Signed
    kept: "asyncio.Future[Delivery]"


class Judge:
    def __init__(self) -> None:
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._last = 0.0
        self._hurries = False
        self._asked: dict[str, asyncio.Future[Delivery]] = {}
        self._coming: list[_Coming] = []
        self._keeping: asyncio.Task[None] | None = None

    async def receive(self, core: "Core", app_id: str, signed: Signed) -> Delivery:
        """Keep it, which is all that the sender waits for; with its verdict where that is there soon."""
        self._last = time.monotonic()
        kept = await self._keep(core, app_id, signed)
        if kept.verdict != RECEIVED:
            return kept
        if not self._waiting.empty():  # many come at once
            self._waiting.put_nowait(kept.id)
            return kept
        future = self._asked[kept.id] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(kept.id)
        done, _ = await asyncio.wait([future], timeout=_PATIENCE)
        self._asked.pop(kept.id, None)
        return future.result() if done else kept

    async def _keep(self, core: "Core", app_id: str, signed: Signed) -> Delivery:
        """Write it down with all that came while the ones before were written: the disk is waited for once for them together."""
        coming = _Coming(app_id, signed, asyncio.get_running_loop().create_future())
        self._coming.append(coming)
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep_all(core))
        return await coming.kept

    async def _keep_all(self, core: "Core") -> None:
        while self._coming:
            together, self._coming = self._coming[:_TOGETHER], self._coming[_TOGETHER:]
            if not await _kept(core, together):
                for each in together:
                    await _kept(core, [each])

    async def run(self, core: "Core") -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    row_id = await self._waiting.get()
            except TimeoutError:
                await self._look(core)
                continue
            await self._quiet()
            await self._judge(core, row_id)

    async def _quiet(self) -> None:
        """Let those who come be answered first. When they do not end, all that wait have their turn."""
        end = time.monotonic() + (0.0 if self._hurries else _LONGEST_WAIT)
        while (left := self._last + _QUIET - time.monotonic()) > 0 and time.monotonic() < end:  # noqa: ASYNC110 - it waits for nothing to happen
            await asyncio.sleep(left)
        self._hurries = time.monotonic() >= end and not self._waiting.empty()

    async def _look(self, core: "Core") -> None:
        """Take up what nobody judged, from the oldest on."""
        now = datetime.now(UTC)
        lately = DeliveryRow.received_at.between(clock.rfc3339(now - _TAKEN_UP_WITHIN), clock.rfc3339(now - _LEFT_AFTER))
        query = select(DeliveryRow.id).where(lately, DeliveryRow.verdict == RECEIVED)
        try:
            async with core.db.connect() as connection:
                found = (await connection.execute(query.order_by(DeliveryRow.id).limit(100))).scalars().all()
        except Exception as error:  # noqa: BLE001 - the next turn looks again
            logger.warning("webhook.unlooked", error=str(error) or type(error).__name__)
            return
        for row_id in found:
            await self._judge(core, row_id)

    async def _judge(self, core: "Core", row_id: str) -> None:
        try:
            async with core.db.begin() as tx:
                judged = await receive.judge(core, tx, row_id)
        except Exception as error:
            if _passes(error):
                logger.warning("webhook.not_judged", delivery_id=row_id, error=str(error))
                return
            logger.exception("webhook.failed", delivery_id=row_id)
            await self._fail(core, row_id)
            return
        future = self._asked.get(row_id)
        if judged is not None and future is not None and not future.done():
            future.set_result(judged)

    async def _fail(self, core: "Core", row_id: str) -> None:
        """A bug with one delivery: it must not be tried for ever."""
        try:
            async with core.db.begin() as tx:
                await tx.connection.execute(update(DeliveryRow).where(DeliveryRow.id == row_id).values(verdict=_FAILED))
        except Exception as error:  # noqa: BLE001 - it is found again in its row
            logger.warning("webhook.not_judged", delivery_id=row_id, error=str(error))


def _passes(error: Exception) -> bool:
    """Whether another try may go well; the database never takes what is wrong with the delivery itself."""
    return passes(error) if isinstance(error, DBAPIError) else isinstance(error, (TimeoutError, OSError))


async def _kept(core: "Core", together: list[_Coming]) -> bool:
    """Whether they are written down, or the one that is not was told why."""
    try:
        async with core.db.begin() as tx:
            found = [await receive.accept(tx, each.app_id, each.signed) for each in together]
    except Exception as error:  # noqa: BLE001 - each sender is told
        if len(together) > 1:
            logger.info("webhook.one_by_one", error=str(error) or type(error).__name__)
            return False
        if not together[0].kept.done():
            together[0].kept.set_exception(error)
        return True
    for each, delivery in zip(together, found, strict=True):
        if not each.kept.done():
            each.kept.set_result(delivery)
    return True
