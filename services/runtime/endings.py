"""How sessions ended, for the audit: whoever is killed meanwhile, each end is said once the bus takes it.

A session that somebody stands behind is a file from before it begins until its end was said. What a killed runtime left is said by
the next one, which ended it.
"""

import asyncio

import msgspec
import structlog

from libs.common import clock, ids
from libs.common.bus import Bus, BusAway
from libs.common.messages.sessions import STOPPED, Behind, Ended, SessionEnded
from services.runtime.ledger import Ledger

_PAUSE = 0.5
_LAST_SECONDS = 2.0

logger = structlog.get_logger()


class Endings:
    """`begun` before a session is opened, then `ended` or `dropped`; `recover` and `close` around all of them."""

    def __init__(self, bus: Bus, home: str) -> None:
        self._bus = bus
        self._ledger = Ledger(home, "endings")
        self._saying: set[asyncio.Task[None]] = set()

    def begun(self, app_id: str, kind: str, by: Behind) -> SessionEnded:
        """Note it as this process's death would end it."""
        event = SessionEnded(event_id=ids.new("end"), at="", app_id=app_id, kind=kind, reason=STOPPED, by=by)
        self._note(event.event_id, event)
        return event

    def ended(self, begun: SessionEnded, replica: str, why: Ended) -> None:
        self._say(begun.event_id, msgspec.structs.replace(begun, replica=replica, reason=why.reason, code=why.code))

    def dropped(self, begun: SessionEnded) -> None:
        """It never began."""
        self._ledger.forget(begun.event_id)

    def recover(self) -> None:
        """Say what was left unsaid."""
        for entry in self._ledger.all():
            try:
                self._say(entry, msgspec.json.decode(self._ledger.read(entry), type=SessionEnded))
            except (OSError, msgspec.DecodeError) as error:  # the machine died while it was written
                logger.warning("session.end_lost", entry=entry, error=str(error))
                self._ledger.forget(entry)

    async def close(self) -> None:
        """Give what was just said its time; what the bus does not take is said by the next runtime."""
        if self._saying:
            await asyncio.wait(self._saying, timeout=_LAST_SECONDS)
        for task in self._saying:
            task.cancel()

    def _say(self, entry: str, event: SessionEnded) -> None:
        if not event.at:  # from here on it stays the same, however often it is said
            event = msgspec.structs.replace(event, event_id=ids.new("end"), at=clock.now())
            self._note(entry, event)
        task = asyncio.create_task(self._until_said(entry, event))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _until_said(self, entry: str, event: SessionEnded) -> None:
        while True:
            try:
                await self._bus.say(event, event.app_id)
            except BusAway as error:
                logger.info("session.end_waits", error=str(error))
                await asyncio.sleep(_PAUSE)
            else:
                self._ledger.forget(entry)
                return

    def _note(self, entry: str, event: SessionEnded) -> None:
        try:
            self._ledger.note(entry, msgspec.json.encode(event))
        except OSError as error:  # on a full disk people need a shell all the more
            logger.warning("session.not_noted", error=str(error))
