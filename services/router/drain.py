"""How many sessions the upstreams that leave still hold."""

import asyncio
import csv
from collections.abc import Iterable, Sequence

from services.router import placed, render, runtime_api
from services.router.announce import Announcer
from services.router.apply import Applier
from services.router.files import Files
from services.router.table import Table

_FIRST_LOOK_SECONDS = 0.02
_LOOK_SECONDS = 0.1


class Drains:
    """Counts until the route no longer names a draining upstream; every change is announced, zero too."""

    def __init__(self, *, table: Table, files: Files, applier: Applier, announcer: Announcer) -> None:
        self._table = table
        self._files = files
        self._applier = applier
        self._announcer = announcer
        self._apps: set[str] = set()
        self._wake = asyncio.Event()
        self._said: dict[str, tuple[int, dict[str, int]]] = {}

    def follow(self, app_ids: Iterable[str]) -> None:
        """A route of these apps was applied and announced, without sessions: what is counted from now on is said, changed or not."""
        for app_id in app_ids:
            self._said.pop(app_id, None)
            if self._table.draining(app_id):
                self._apps.add(app_id)
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(_FIRST_LOOK_SECONDS)
            while self._apps:
                await self._look()
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        names = {app_id: draining for app_id in self._apps if (draining := self._table.draining(app_id))}
        self._apps = set(names)
        self._said = {app_id: said for app_id, said in self._said.items() if app_id in names}
        revisions = {app_id: self._announcer.revision(app_id) for app_id in names}
        try:
            held = await self._held([app_id for app_id in names if app_id in self._table.slots])
        except runtime_api.Away:
            return
        for app_id, draining in names.items():
            found = (self._announcer.revision(app_id), {name: held.get(name, 0) for name in draining})
            # A count from before a revision was applied says nothing of the upstreams that drain since.
            if found[0] == revisions[app_id] and self._said.get(app_id) != found:
                self._said[app_id] = found
                await self._announcer.say(app_id, *found)

    async def _held(self, app_ids: Sequence[str]) -> dict[str, int]:
        """Sessions by server name, over every worker."""
        commands = [f"show stat {render.backend(self._table.slots[app_id])} 4 -1" for app_id in app_ids]
        held: dict[str, int] = {}
        info, *texts = await runtime_api.ask(self._files.admin, ["show info", *commands])
        if not self._applier.knows(runtime_api.pid_in(info)):
            await self._applier.look_again()
            raise runtime_api.Away("A reload came between: what the worker of before holds was not counted.")
        for text in texts:
            _add(held, text)
        for pid in self._applier.replaced.pids:
            for command in commands:
                _add(held, await runtime_api.ask_master(self._files.master, f"@!{pid} {command}"))
            table = await runtime_api.ask_master(self._files.master, f"@!{pid} show table {placed.BACKEND}")
            for name, count in placed.sessions(table).items():
                held[name] = held.get(name, 0) + count
        return held


def _add(held: dict[str, int], text: str) -> None:
    for row in csv.DictReader(text.removeprefix("# ").splitlines()):
        if name := row.get("svname"):
            held[name] = held.get(name, 0) + int(row.get("scur") or 0)
