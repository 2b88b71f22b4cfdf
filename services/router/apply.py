"""Bring the proxy that runs to the table, one batch of commands at a time."""

import asyncio
import contextlib
from collections.abc import Collection

import structlog

from services.router import commands, live, maps, plan, render, runtime_api, telling
from services.router.disk import Disk
from services.router.files import Files
from services.router.frame import Frame
from services.router.haproxy import HAProxy
from services.router.problem import Problem
from services.router.refused import Refusals
from services.router.replaced import Replaced
from services.router.shown import Shown
from services.router.table import Table

_REAP_SECONDS = 0.5
_TRIES = 3
_SHOWN_AT_ONCE = 100
"""Certificates; routes go in between."""

logger = structlog.get_logger()


class Applier:
    """Owns what is known of the running proxy. Every change of it goes through here, one at a time; `disk` follows.

    `overtaken`: another worker serves than was told of the apps, from files that may be older than that: they have to be applied again.
    """

    def __init__(self, *, table: Table, frame: Frame, haproxy: HAProxy, shown: Shown | None) -> None:
        self._table = table
        self._frame = frame
        self._files: Files = frame.files
        self._haproxy = haproxy
        self._shown = shown
        self._lock = asyncio.Lock()
        self._capacity = 0
        self._tried_capacity = 0
        self._why = ""
        self._sure = False
        self._behind: set[str] = set()
        self.disk = Disk(table=table, frame=frame, shown=shown)
        self.refusals = Refusals()
        self.replaced = Replaced(frame.files)
        self.live: live.Live | None = None
        self.overtaken = False

    @property
    def fits(self) -> bool:
        """Whether the proxy that runs has the present shape; if not, it is reloaded before anything is applied."""
        return self._capacity == self._table.capacity

    async def load(self) -> None:
        """Take stock of the proxy that runs now."""
        async with self._lock:
            await self._load()

    async def look_again(self) -> None:
        """Another worker serves than the one that is known: a reload is under way, came about late, or was somebody else's."""
        async with self._lock:
            if self.live is not None:
                await self._load()

    def knows(self, worker: int) -> bool:
        """Whether that is the worker that serves, by what is known."""
        return self.live is not None and self.live.worker == worker

    async def apply(self, app_ids: Collection[str]) -> None:
        """Make the proxy serve what the table says of these apps. `Problem` when it could not; nothing is half believed then.

        Those for which HAProxy alone refused something are in `refusals` afterwards; the others are served.
        """
        async with self._lock:
            if self.live is None:
                raise Problem("HAProxy does not run yet.")
            await self._fit(app_ids)
            refused = await self._try(app_ids)
            if not self._sure:
                await self._load()  # what is known is as if nothing had been refused
            self.refusals.note(app_ids, refused)
            for app_id in app_ids:
                if app_id not in refused:
                    self._release(app_id)
        self.disk.changed.set()

    async def reap_for_ever(self) -> None:
        """Delete servers that were taken out, as soon as no connection holds them."""
        while True:
            await asyncio.sleep(_REAP_SECONDS)
            async with self._lock:
                if self.live is None:
                    continue
                await telling.reap(self._files, self.live)
                if self.replaced.pids:
                    with contextlib.suppress(runtime_api.Away):  # it is being started again
                        self.replaced.note(await self._haproxy.old_workers())

    async def renew(self) -> None:
        """Make certificates anew that end soon, and give them to the proxy."""
        hosts = self.disk.certificate_hosts()
        for start in range(0, len(hosts), _SHOWN_AT_ONCE):
            await self.show(hosts[start : start + _SHOWN_AT_ONCE])
        async with self._lock:
            await self.disk.prune()

    async def show(self, hosts: Collection[str]) -> None:
        """Give the proxy the certificates of these hosts where they are others than it has."""
        async with self._lock:
            known = set(self.disk.certificate_hosts())
            for host in hosts:
                if host in known and self.disk.ensure(host):
                    self._behind.add(host)
            if self.live is not None:
                await self._give(self.live)

    async def _give(self, known: live.Live) -> None:
        """One that the proxy refuses holds no other up, and comes by a reload."""
        for host in sorted(self._behind):
            try:
                if host in known.certificates:
                    await telling.tell_all(self._files, known, commands.renew(host, self._files))
            except runtime_api.Refused as error:
                logger.error("certificate.refused", host=host, error=str(error))  # noqa: TRY400 - the sentence says it all
            else:
                self._behind.discard(host)
        if self._behind:
            await self._try_reload()

    def answers(self, token: str) -> bool:
        """Whether the proxy that runs answers an ACME challenge of this token."""
        return self.live is not None and token in self.live.maps.get(maps.CHALLENGE, {})

    async def _try(self, app_ids: Collection[str]) -> dict[str, str]:
        """What HAProxy refuses may come from another state than we thought: look again, plan again. Returns what stays refused."""
        refused: dict[str, str] = {}
        for attempt in range(1, _TRIES + 1):
            try:
                refused = await self._take_steps(refused or app_ids)
            except Problem as problem:
                logger.warning("haproxy.refused", problem=str(problem), attempt=attempt)
                if attempt == _TRIES:
                    raise
                continue
            if not refused:
                break
            logger.warning("haproxy.refused", problem=next(iter(refused.values())), apps=len(refused), attempt=attempt)
        return refused

    async def _take_steps(self, app_ids: Collection[str]) -> dict[str, str]:
        """Returns by app what HAProxy refused. Of such an app nothing that serves is taken out."""
        known = self.live if self._sure and self.live else await self._load()
        self._sure = False
        steps, refused = self._plan(app_ids, known)
        wanted = self.disk.maps()
        coming, going = maps.commands(self._files, known.maps, wanted)
        # What keeps people out is there before a host leads to the app, and goes after.
        await telling.tell_all(self._files, known, coming)
        refused |= await telling.tell(self._files, known, [each for each in steps if not plan.takes_out(each[1])])
        refused |= await telling.tell(self._files, known, [each for each in steps if plan.takes_out(each[1]) and each[0] not in refused])
        await telling.tell_all(self._files, known, going)
        known.maps = wanted
        await self.replaced.bring(wanted)
        self._sure = not refused
        return refused

    def _plan(self, app_ids: Collection[str], known: live.Live) -> tuple[list[tuple[str, plan.Step]], dict[str, str]]:
        """The steps, each with its app, noted already; and by app why nothing is planned for it."""
        steps: list[tuple[str, plan.Step]] = []
        refused: dict[str, str] = {}
        for app_id in app_ids:
            slot = self._table.slots.get(app_id)
            if slot is None:
                continue
            if slot >= self._capacity and not self._table.is_gone(app_id):
                refused[app_id] = f"HAProxy has {self._capacity} backends, and did not come up with more: {self._why}"
                continue
            hosts, upstreams = self._table.hosts(app_id), self._table.upstreams(app_id)
            tls, state = self._shown is not None, self._table.state(app_id)
            planned = plan.plan(render.backend(slot), hosts, upstreams, known, tls=tls, state=state)
            if why := telling.certify(self.disk, planned):
                refused[app_id] = why
                continue
            for step in planned:
                plan.note(known, step)
            steps += [(app_id, step) for step in planned]
        return steps, refused

    def _release(self, app_id: str) -> None:
        """Its last route may have come while the one before was applied: then the proxy still has the app."""
        slot = self._table.slots.get(app_id)
        if slot is None or self.live is None or not self._table.is_gone(app_id):
            return
        if not self.live.uses(render.backend(slot)):
            self._table.release(app_id)

    async def _load(self) -> live.Live:
        found = await live.read(self._files, tls=self._shown is not None)
        self.replaced.note(await self._haproxy.old_workers())
        self.overtaken |= self.live is not None and self.live.worker != found.worker
        self.live, self._sure, self._capacity = found, True, self._capacity_of(found.shape)
        return found

    def _capacity_of(self, shape: str) -> int:
        """How many backends a proxy of that shape has; 0 where it differs from what we want in more than that."""
        capacity = self._table.capacity
        while capacity and render.shape(self._frame, capacity) != shape:
            capacity //= 2
        return capacity

    async def _fit(self, app_ids: Collection[str]) -> None:
        """Reload the proxy where it has to be another, or where that may mend what it refused.

        One that only has too few backends serves on with those, whatever keeps it from more.
        """
        if not app_ids:
            return  # what is of no app goes without, and the table may not be whole yet
        if not self.fits and not self._sure:
            await self._load()  # a reload that was given up may have come about all the same
        if not self.fits and not self._capacity:
            await self._reload()
        while not self.fits and self._table.capacity != self._tried_capacity:
            self._tried_capacity = self._table.capacity
            await self._try_reload()
        if self.refusals.due and not self.refusals.apps.keys().isdisjoint(app_ids):
            self.refusals.retry()
            await self._try_reload()

    async def _reload(self) -> None:
        self._sure = False
        async with self.disk.prepared():
            await self.disk.check(self._haproxy)
            await self._haproxy.reload()
        await self._load()
        self.overtaken = False
        self._behind.clear()
        logger.info("router.reloaded", backends=self._capacity)

    async def _try_reload(self) -> None:
        """The files have it, whatever the worker that runs does not take; one that takes neither keeps no other waiting."""
        try:
            await self._reload()
        except (Problem, OSError) as problem:
            self._why = str(problem)
            logger.error("router.not_reloaded", problem=str(problem))  # noqa: TRY400 - the sentence says it all
