"""Which containers there are and what each uses, with as little as can be asked of the engine."""

import asyncio
from time import monotonic

import msgspec

from libs.common.engine import containers, stats
from libs.common.engine.connect import Engine
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import NotFound
from libs.common.engine.events import Watch
from services.metrics.cgroups import Files, Usage
from services.metrics.sample import USES_NOTHING

_LIST_SECONDS = 300.0
"""How long a list of the engine's may stand while its events say what changed: a list costs the engine a tenth of a millisecond
a container, and a sync asks every 30 seconds."""
_FEW = 32
"""Containers that are asked for by id: of more than these the whole list is the shorter question."""

_AT_ONCE = 100
"""Containers whose files are read before others get their turn: these take about 7 ms."""

Found = tuple[list[ContainerListed], dict[str, Usage]]


class Inventory:
    """`listed` is what the last look knew. `watch` are the engine's events, None while nobody follows them."""

    def __init__(self, instance: str) -> None:
        self.listed: list[ContainerListed] = []
        self.watch: Watch | None = None
        self._instance = instance
        self._files = Files()
        self._touched: set[str] = set()
        self._missed = True
        self._stands_until = 0.0

    def touch(self, container_id: str) -> None:
        """Something happened to it: the next look asks the engine for it anew."""
        self._touched.add(container_id)

    def miss(self) -> None:
        """Something may have happened to any: the next look asks for all."""
        self._missed = True

    @property
    def is_current(self) -> bool:
        """No look is under way, the last one did not fail, and nothing happened since."""
        return bool(self._stands_until) and self._is_followed() and not self._touched

    async def look(self, engine: Engine) -> Found:
        """What is there, and what it uses. `EngineAway`, `EngineError`: the next look asks for all.

        The last list stands, but for what events named since, if none of these can be missing and the kernel still has all that ran.
        """
        touched, until = self._touched, self._stands_until
        self._touched, self._stands_until = set(), 0.0
        if self._is_followed() and monotonic() < until and len(touched) <= _FEW:
            await self._look_again(engine, touched)
            usages, unread = await self._files_of(self.listed)
            if not unread:
                self._stands_until = until
                return self.listed, usages
        self._missed = False
        until = monotonic() + _LIST_SECONDS
        self.listed = await containers.list_ours(engine, self._instance)
        usages = await self.usages(engine, self.listed)
        self._stands_until = until
        return self.listed, usages

    def _is_followed(self) -> bool:
        return not self._missed and self.watch is not None and self.watch.opened.is_set()

    async def _look_again(self, engine: Engine, touched: set[str]) -> None:
        if not touched:
            await engine.ping()
            return
        found = await containers.list_ours(engine, self._instance, container_ids=touched)
        self.listed = [seen for seen in self.listed if seen.id not in touched] + found

    async def of_app(self, engine: Engine, app_id: str) -> list[ContainerListed]:
        """One app's, as they are now."""
        if not self.is_current:
            return await containers.list_ours(engine, self._instance, app_id)
        return [seen for seen in self.listed if seen.labels.get(containers.APP_LABEL) == app_id]

    async def usages(self, engine: Engine, listed: list[ContainerListed]) -> dict[str, Usage]:
        """What those that run use, by their files, else by the engine's own figures."""
        found, unread = await self._files_of(listed)
        answers = await asyncio.gather(*(_ask(engine, container_id) for container_id in unread))
        return found | {container_id: usage for container_id, usage in zip(unread, answers, strict=True) if usage}

    async def _files_of(self, listed: list[ContainerListed]) -> tuple[dict[str, Usage], list[str]]:
        """What those that run use, and those of them that have no files."""
        found: dict[str, Usage] = {}
        unread: list[str] = []
        for number, seen in enumerate(listed, 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if seen.state in USES_NOTHING:
                continue
            if usage := self._files.usage(seen.id):
                found[seen.id] = usage
            else:
                unread.append(seen.id)
        return found, unread


async def _ask(engine: Engine, container_id: str) -> Usage | None:
    """The engine's own figures, where the files can't be reached."""
    try:
        seen = await stats.once(engine, container_id)
    except NotFound:
        return None
    # It ended between the list and this question: the engine answers for it with zeros.
    return Usage(**msgspec.structs.asdict(seen)) if seen.memory_bytes or seen.cpu_seconds else None
