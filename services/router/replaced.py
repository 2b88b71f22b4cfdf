"""Workers that a reload replaced: what stands in front of apps holds for the connections that they still have, too."""

from collections.abc import Sequence

import structlog

from services.router import maps, runtime_api
from services.router.files import Files
from services.router.maps import Maps

logger = structlog.get_logger()


class Replaced:
    """`pids` are those that still hold connections. Each started with the maps of its time, and is told what has changed since."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._maps: dict[int, Maps] = {}
        self.pids: tuple[int, ...] = ()

    def note(self, pids: Sequence[int]) -> None:
        self.pids = tuple(pids)
        self._maps = {pid: known for pid, known in self._maps.items() if pid in self.pids}

    async def bring(self, wanted: Maps) -> None:
        """One that does not answer holds nobody up: it is told again with the next change."""
        for pid in self.pids:
            if self._maps.get(pid) == wanted:
                continue
            try:
                await self._tell(pid, wanted)
            except runtime_api.Away as error:  # it ended just now
                logger.warning("haproxy.replaced_not_told", pid=pid, error=str(error))

    async def _tell(self, pid: int, wanted: Maps) -> None:
        shown = await runtime_api.ask_worker(self._files.master, pid, [f"show map {self._files.map(name)}" for name in maps.NAMES])
        there = {name: maps.read(text) for name, text in zip(maps.NAMES, shown, strict=True)}
        coming, going = maps.commands(self._files, there, wanted)
        for answer in await runtime_api.ask_worker(self._files.master, pid, [*coming, *going]):
            if answer:
                logger.error("haproxy.replaced_refused", pid=pid, answer=answer)
        self._maps[pid] = wanted
