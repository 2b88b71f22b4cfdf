"""Keeps HAProxy running: adopts the one that outlived the router, else starts one, and starts it again when it dies."""

import asyncio

import structlog

from services.router import live, ports, render
from services.router.apply import Applier
from services.router.entries import backend_of
from services.router.files import Files
from services.router.haproxy import HAProxy
from services.router.problem import Problem
from services.router.settings import Settings
from services.router.table import Table

_SILENCE_SECONDS = 5.0
_ANSWER_SECONDS = 3.0
_AGAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.05

logger = structlog.get_logger()


class Proxy:
    """`problem` is empty while the proxy serves, else a sentence; `serving` is set once the table is in and the ports are bound."""

    def __init__(
        self, *, settings: Settings, files: Files, table: Table, haproxy: HAProxy, applier: Applier, listed: asyncio.Event
    ) -> None:
        self._settings = settings
        self._files = files
        self._table = table
        self._haproxy = haproxy
        self._applier = applier
        self._listed = listed
        self.problem = "HAProxy is not started yet."
        self.serving = asyncio.Event()

    async def introduce(self) -> None:
        """Before the first route is taken: learn which backends a proxy that runs already uses, and for which hosts."""
        if self._haproxy.master() is None or await self._haproxy.worker() is None:
            return
        try:
            found = await live.read(self._files, tls=self._settings.tls != "off")
        except Problem as problem:
            logger.warning("haproxy.not_introduced", problem=str(problem))
            return
        slots = {host: render.slot_of(backend_of(backend)) for host, backend in found.hosts.items()}
        self._table.claim({host: slot for host, slot in slots.items() if slot is not None})

    async def keep(self) -> None:
        while True:
            try:
                pid = await self._bring_up()
            except (Problem, OSError) as error:
                await self._wait_after(str(error))
                continue
            self.problem = ""
            self.serving.set()
            await self._haproxy.ended(pid)
            self.serving.clear()
            self._applier.live = None
            self.problem = "HAProxy ended and is being started again."
            logger.error("haproxy.ended", pid=pid)

    async def _bring_up(self) -> int:
        await self._haproxy.require()
        if (pid := self._haproxy.master()) is not None and await self._answers():
            await self._adopt()
            return pid
        return await self._start()

    async def _adopt(self) -> None:
        await self._applier.load()
        if not self._applier.fits:
            # A reload starts from the table: it has to be whole.
            await self._routes_known()
        await self._applier.apply(list(self._table.routes))
        logger.info("haproxy.adopted", apps=len(self._table.slots))

    async def _start(self) -> int:
        await self._haproxy.end_leftovers()
        ports.require_free(self._settings.ports, self._settings.bind)
        await self._routes_known()
        async with self._applier.disk.prepared():
            pid = await self._started()
        await self._applier.load()
        await self._applier.apply(list(self._table.routes))
        return pid

    async def _started(self) -> int:
        try:
            # No check before: a start that reads the file is one, and nothing serves that it could hurt.
            pid = await self._haproxy.start()
        except Problem as problem:
            if not self._applier.disk.put_back_good():
                raise
            logger.error("haproxy.starting_from_last_good", problem=str(problem))  # noqa: TRY400 - the sentence says it all
            return await self._haproxy.start()
        self._applier.disk.keep_good()
        return pid

    async def _routes_known(self) -> None:
        """Wait for the routes; with a table on disk no longer than a few seconds."""
        if self._listed.is_set():
            return
        self.problem = "Waiting for the routes from the bus."
        seconds = _SILENCE_SECONDS if self._files.table.is_file() else None
        try:
            await asyncio.wait_for(self._listed.wait(), seconds)
        except TimeoutError:
            logger.warning("router.bus_silent", apps=len(self._table.slots))

    async def _answers(self) -> bool:
        """Whether the worker's socket answers within a few seconds: it may be starting."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while await self._haproxy.worker() is None:  # noqa: ASYNC110 - another program has no event
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            return False
        return True

    async def _wait_after(self, problem: str) -> None:
        if problem != self.problem:
            logger.error("haproxy.problem", problem=problem)
        self.problem = problem
        await asyncio.sleep(_AGAIN_SECONDS)
