"""Bring the proxy that runs to the table, one batch of commands at a time."""

import asyncio
import contextlib
from collections.abc import Collection, Sequence

import structlog

from services.router import commands, live, maps, plan, render, runtime_api
from services.router.disk import Disk
from services.router.files import Files
from services.router.frame import Frame
from services.router.haproxy import HAProxy
from services.router.problem import Problem
from services.router.refused import Refusals
from services.router.shown import Shown
from services.router.table import Table

_REAP_SECONDS = 0.5
_TRIES = 3
_SHOWN_AT_ONCE = 100
"""Certificates; routes go in between."""

logger = structlog.get_logger()


class Applier:
    """Owns what is known of the running proxy. Every change of it goes through here, one at a time; `disk` follows."""

    def __init__(self, *, table: Table, frame: Frame, haproxy: HAProxy, shown: Shown | None) -> None:
        self._table = table
        self._frame = frame
        self._files: Files = frame.files
        self._haproxy = haproxy
        self._shown = shown
        self._lock = asyncio.Lock()
        self._capacity = 0
        self._sure = False
        self._behind: set[str] = set()
        self.disk = Disk(table=table, frame=frame, shown=shown)
        self.refusals = Refusals()
        self.live: live.Live | None = None
        self.old_workers: list[int] = []

    @property
    def shape(self) -> str:
        return render.shape(self._frame, self._table.capacity)

    @property
    def fits(self) -> bool:
        """Whether the proxy that runs has the present shape; if not, it is reloaded before anything is applied."""
        return self._capacity == self._table.capacity

    async def load(self) -> None:
        """Take stock of the proxy that runs now."""
        worker = await self._haproxy.worker()
        self._capacity = self._table.capacity if worker is not None and worker[1] == self.shape else 0
        self.live = await live.read(self._files, tls=self._shown is not None)
        self.old_workers = await self._haproxy.old_workers()

    async def apply(self, app_ids: Collection[str]) -> None:
        """Make the proxy serve what the table says of these apps. `Problem` when it could not; nothing is half believed then.

        Those for which HAProxy alone refused something are in `refusals` afterwards; the others are served.
        """
        async with self._lock:
            if self.live is None:
                raise Problem("HAProxy does not run yet.")
            if not self.fits:
                await self._reload()
            elif self.refusals.due and not self.refusals.apps.keys().isdisjoint(app_ids):
                await self._reload_for_refused()
            refused = await self._try(app_ids)
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
                await self._reap(self.live)
                if self.old_workers:
                    with contextlib.suppress(runtime_api.Away):  # it is being started again
                        self.old_workers = await self._haproxy.old_workers()

    async def renew(self) -> None:
        """Make certificates anew that end soon, and give them to the proxy."""
        hosts = self.disk.certificate_hosts()
        for start in range(0, len(hosts), _SHOWN_AT_ONCE):
            await self.show(hosts[start : start + _SHOWN_AT_ONCE])
        async with self._lock:
            self.disk.prune()

    async def show(self, hosts: Collection[str]) -> None:
        """Give the proxy the certificates of these hosts where they are others than it has."""
        async with self._lock:
            known = set(self.disk.certificate_hosts())
            for host in hosts:
                if host in known and self.disk.ensure(host):
                    self._behind.add(host)
            if self.live is not None:
                await self._give(self.live.certificates)

    async def _give(self, held: Collection[str]) -> None:
        """One that the proxy refuses holds no other up."""
        for host in sorted(self._behind):
            try:
                if host in held:
                    await runtime_api.tell(self._files.admin, commands.renew(host, self._files))
            except runtime_api.Refused as error:
                logger.error("certificate.refused", host=host, error=str(error))  # noqa: TRY400 - the sentence says it all
            self._behind.discard(host)

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
        if not self._sure:
            self.live = await live.read(self._files, tls=self._shown is not None)
        self._sure = False
        steps = [(app_id, step) for app_id in app_ids for step in self._plan(app_id)]
        for _, step in steps:
            if isinstance(step, plan.AddCertificate):
                self.disk.ensure(step.host)
        wanted = self.disk.maps()
        shared = maps.commands(self._files, self.live.maps if self.live else {}, wanted)
        refused = await self._tell([each for each in steps if not plan.takes_out(each[1])], shared)
        refused |= await self._tell([each for each in steps if plan.takes_out(each[1]) and each[0] not in refused])
        if self.live is not None:
            self.live.maps = wanted
        self._sure = not refused
        return refused

    async def _tell(self, steps: Sequence[tuple[str, plan.Step]], shared: Sequence[str] = ()) -> dict[str, str]:
        """Returns by app the first thing that HAProxy refused; `Refused` for what is of no app."""
        lines = [(app_id, line) for app_id, step in steps for line in commands.of(step, self._files)]
        verdicts = await runtime_api.told(self._files.admin, [*(line for _, line in lines), *shared])
        for verdict in verdicts[len(lines) :]:
            if verdict is not None:
                raise verdict
        refused: dict[str, str] = {}
        for (app_id, _), verdict in zip(lines, verdicts, strict=False):
            if verdict is not None:
                refused.setdefault(app_id, str(verdict))
        return refused

    def _plan(self, app_id: str) -> list[plan.Step]:
        slot = self._table.slots.get(app_id)
        if slot is None or self.live is None:
            return []
        hosts, upstreams = self._table.hosts(app_id), self._table.upstreams(app_id)
        tls, state = self._shown is not None, self._table.state(app_id)
        steps = plan.plan(render.backend(slot), hosts, upstreams, self.live, tls=tls, state=state)
        for step in steps:
            plan.note(self.live, step)
        return steps

    def _release(self, app_id: str) -> None:
        """Its last route may have come while the one before was applied: then the proxy still has the app."""
        slot = self._table.slots.get(app_id)
        if slot is None or self.live is None or not self._table.is_gone(app_id):
            return
        if not self.live.uses(render.backend(slot)):
            self._table.release(app_id)

    async def _reload(self) -> None:
        async with self.disk.prepared():
            await self.disk.check(self._haproxy)
            await self._haproxy.reload()
        await self.load()
        logger.info("router.reloaded", backends=self._capacity)

    async def _reload_for_refused(self) -> None:
        """The files have it, whatever the worker that runs does not take; one that takes neither keeps no other waiting."""
        self.refusals.retry()
        try:
            await self._reload()
        except (Problem, OSError) as problem:
            logger.error("router.not_reloaded", problem=str(problem))  # noqa: TRY400 - the sentence says it all

    async def _reap(self, known: live.Live) -> None:
        leaving = [(backend, name) for backend, servers in known.servers.items() for name, state in servers.items() if state == "maint"]
        if not leaving:
            return
        try:
            answers = await runtime_api.ask(self._files.admin, [f"del server {backend}/{name}" for backend, name in leaving])
        except runtime_api.Away:
            return
        for (backend, name), answer in zip(leaving, answers, strict=True):
            if "deleted" in answer or "No such server" in answer:
                del known.servers[backend][name]
