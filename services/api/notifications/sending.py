"""Telling: what is due is sent, one at a time to each hook, so that one which is slow holds up no other."""

import asyncio
import time
from itertools import groupby
from typing import NamedTuple, Self

import msgspec
import structlog

from libs.common import clock, egress
from services.api.core import Core
from services.api.db import tries
from services.api.notifications import address, service, signing, texts
from services.api.notifications.models import NotificationDeliveryRow, NotificationRow
from services.api.notifications.schemas import Notice

MOST_TRIES = 30
"""With gaps from a second to a quarter of an hour: about five hours, and longer where others of the same hook wait as well."""
AT_ONCE = 0.0
"""The `next_at` of what somebody asked for by hand: a hook that rests is not waited for."""
_FORGOTTEN = 3600.0
_SECONDS = 10.0
_AT_ONCE = 64
_PAUSE = 1.0
_SHOWN = 300
_GONE = 410
_SUCCESS = range(200, 300)
_AGENT = "Dockup (+https://www.standardwebhooks.com)"

logger = structlog.get_logger()


class Said(msgspec.Struct, frozen=True):
    """What became of a try: `status` is that of the answer, None without one."""

    status: int | None
    detail: str

    @property
    def good(self) -> bool:
        return self.status in _SUCCESS


class _Rest(NamedTuple):
    """A hook that failed so many times in a row is not tried before `until`, whatever is due; times are Unix times."""

    failures: int
    until: float


class Sender:
    """Has a task for each hook that is being told something; the others are told meanwhile. Use it as a context: it ends them.

    A receiver that fails rests, with growing gaps: then another of what it is to be told is tried, so that one which it cannot take
    does not keep the others from it. What this process knows of that is not kept.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, _Rest] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def tell_due(self) -> None:
        """Begin to send what is due. Whoever ends asks for another look, by `core.notify`.

        A hook with a page full of what is due hides those behind it: they are looked for in the next page.
        """
        while await self._tell_some():
            continue

    async def _tell_some(self) -> bool:
        """Whether there may be more to begin."""
        free = NotificationDeliveryRow.notification_id.not_in(list(self._busy))
        awake = NotificationDeliveryRow.notification_id.not_in(self._asleep()) | (NotificationDeliveryRow.next_at == AT_ONCE)
        rows = await tries.due(self._core.db, NotificationDeliveryRow, NotificationDeliveryRow.status == "pending", free, awake)
        rows.sort(key=lambda row: (row.notification_id, row.next_at, row.id))
        for notification_id, its in groupby(rows, key=lambda row: row.notification_id):
            if len(self._busy) < _AT_ONCE:
                self._busy[notification_id] = asyncio.create_task(self._tell(notification_id, list(its)))
        return len(rows) == tries.MOST and len(self._busy) < _AT_ONCE

    def _asleep(self) -> list[str]:
        now = time.time()
        self._resting = {name: rest for name, rest in self._resting.items() if rest.until > now - _FORGOTTEN}
        return [name for name, rest in self._resting.items() if rest.until > now]

    async def _tell(self, notification_id: str, rows: list[NotificationDeliveryRow]) -> None:
        try:
            self._note(notification_id, await _tell_one(self._core, notification_id, rows))
        except Exception:  # the database may be away: what is due stays due
            logger.exception("notification.not_told", notification_id=notification_id)
            await asyncio.sleep(_PAUSE)
        finally:
            del self._busy[notification_id]
            self._core.notify.set()

    def _note(self, notification_id: str, ends: list[bool]) -> None:
        before = self._resting.pop(notification_id, None) if ends else None
        if ends and not ends[-1]:
            failures = 1 + (before.failures if before and len(ends) == 1 else 0)
            self._resting[notification_id] = _Rest(failures, tries.later(failures))


async def _tell_one(core: Core, notification_id: str, rows: list[NotificationDeliveryRow]) -> list[bool]:
    """Up to the first that fails; for each that was tried whether it was taken."""
    ends: list[bool] = []
    for row in rows:
        if not await tries.claim(core.db, row):
            continue
        async with core.db.read() as session:  # each time: a row may take ten seconds, and its owner changes what the next one goes to
            hook = await session.get(NotificationRow, notification_id)
        if hook is None:
            break
        target = service.target_of(core.vault, hook)
        said = await send(core, hook.kind, target, row) if target else Said(None, service.UNREADABLE)
        await _note(core, row, said)
        ends.append(said.good)
        if not said.good:
            break  # it has its own time, and so has the hook
    return ends


async def send(core: Core, kind: str, target: service.Target, row: NotificationDeliveryRow) -> Said:
    """One try. Whatever goes wrong with it is a sentence."""
    from libs.common.asking import ASKING_ERRORS, asked  # noqa: PLC0415 - the client takes memory, and most have no hooks

    notice = msgspec.json.decode(row.body, type=Notice)
    body = msgspec.json.encode(texts.slack(notice)) if kind == "slack" else row.body.encode()
    headers = {"content-type": "application/json", "user-agent": _AGENT}
    if target.secret is not None:
        headers |= signing.headers(target.secret, row.id, int(time.time()), body)
    try:
        where = address.parse(target.url)
        async with asyncio.timeout(_SECONDS):
            route = await address.route(where, core.settings)
            async with asked(where, route, seconds=_SECONDS, method="POST", headers=headers, body=body) as answer:
                return _said(answer.status_code, answer.reason_phrase, await anext(answer.aiter_raw(_SHOWN), b""))
    except TimeoutError:
        return Said(None, f"No answer in {_SECONDS:.0f} seconds.")
    except (egress.AddressRefused, egress.HostUnknown, *ASKING_ERRORS, ValueError) as error:
        return Said(None, f"{str(error) or type(error).__name__}."[:_SHOWN])


def _said(status: int, reason: str, start: bytes) -> Said:
    text = start.decode(errors="replace")
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return Said(status, f"{status} {reason}{': ' + words if words else ''}"[:_SHOWN])


async def _note(core: Core, row: NotificationDeliveryRow, said: Said) -> None:
    attempts = row.attempts + 1
    seen = {"attempts": attempts, "response_status": said.status, "detail": said.detail}
    if said.good:
        await tries.put(core.db, row, **seen, status="delivered", ended_at=clock.now())
    elif attempts >= MOST_TRIES or said.status == _GONE:
        await tries.put(core.db, row, **seen, status="failed", ended_at=clock.now())
    else:
        await tries.put(core.db, row, **seen, next_at=tries.later(attempts))
    if said.status == _GONE:
        logger.info("notification.gone", notification_id=row.notification_id)
        async with core.db.begin() as tx:
            await service.switch_off(tx, row.notification_id, "The receiver answered 410: it wants nothing more.")
