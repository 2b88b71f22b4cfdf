"""Bring the proxy that runs to the table, one batch of commands at a time, and keep the files on disk in step."""

import asyncio
import contextlib
from collections.abc import Collection

import msgspec
import structlog

from services.router import commands, live, pages, plan, render, runtime_api
from services.router.certificates import Authority
from services.router.files import Files, replace, replace_all
from services.router.haproxy import HAProxy
from services.router.problem import Problem
from services.router.render import Frame
from services.router.table import Table

_SAVE_SECONDS = 0.05
_REAP_SECONDS = 0.5
_TRIES = 3

logger = structlog.get_logger()


class Applier:
    """Owns what is known of the running proxy. Every change of it goes through here, one at a time."""

    def __init__(self, *, table: Table, frame: Frame, haproxy: HAProxy, authority: Authority | None) -> None:
        self._table = table
        self._frame = frame
        self._files: Files = frame.files
        self._haproxy = haproxy
        self._authority = authority
        self._api_host = render.api_hosts(frame.settings)[0]
        self._lock = asyncio.Lock()
        self._disk = asyncio.Lock()
        self._changed = asyncio.Event()
        self._capacity = 0
        self._checked = ""
        self._written: dict[str, str] = {}
        self._sure = False
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
        self.live = await live.read(self._files, tls=self._authority is not None)
        self.old_workers = await self._haproxy.old_workers()

    async def apply(self, app_ids: Collection[str]) -> None:
        """Make the proxy serve what the table says of these apps. `Problem` when it could not; nothing is half believed then."""
        async with self._lock:
            if self.live is None:
                raise Problem("HAProxy does not run yet.")
            if not self.fits:
                await self._reload()
            await self._try(app_ids)
            for app_id in app_ids:
                self._table.release(app_id)
        self._changed.set()

    async def prepare(self) -> None:
        """Write every file for the table as it is, before a start or a reload."""
        self._write_pages()
        for host in self._certificate_hosts():
            self._ensure(host)
        async with self._disk:
            await asyncio.to_thread(self._store, self._texts())

    def keep_good(self) -> None:
        """HAProxy took the configuration: this is the last good one now."""
        replace(self._files.good, self._files.config.read_text(encoding="utf-8"))

    def put_back_good(self) -> bool:
        """HAProxy does not take the configuration: put the last good one in its place; False when there is none."""
        if not self._files.good.is_file():
            return False
        text = self._files.good.read_text(encoding="utf-8")
        replace(self._files.config, text)
        self._written[self._files.config.name] = text
        return True

    async def save_for_ever(self) -> None:
        """Write the present state to disk soon after each change."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(_SAVE_SECONDS)
            self._changed.clear()
            try:
                async with self._disk:
                    await asyncio.to_thread(self._store, self._texts())
            except OSError as error:
                logger.error("router.not_saved", error=str(error))  # noqa: TRY400 - a full disk is no bug
                self._changed.set()
                await asyncio.sleep(1)

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
        async with self._lock:
            hosts = [host for host in self._certificate_hosts() if self._ensure(host)]
            if hosts and self.live is not None:
                held = [host for host in hosts if host in self.live.certificates]
                await runtime_api.tell(self._files.admin, [line for host in held for line in commands.renew(host, self._files)])
            self._prune()

    async def _try(self, app_ids: Collection[str]) -> None:
        """What HAProxy refuses may come from a state that is another than we thought: look again, plan again."""
        for attempt in range(1, _TRIES + 1):
            try:
                await self._take_steps(app_ids)
            except Problem as problem:
                logger.warning("haproxy.refused", problem=str(problem), attempt=attempt)
                if attempt == _TRIES:
                    raise
            else:
                return

    async def _take_steps(self, app_ids: Collection[str]) -> None:
        if not self._sure:
            self.live = await live.read(self._files, tls=self._authority is not None)
        self._sure = False
        steps = [step for app_id in app_ids for step in self._plan(app_id)]
        for step in steps:
            if isinstance(step, plan.AddCertificate):
                self._ensure(step.host)
        lines = [line for step in steps for line in commands.of(step, self._files)]
        if lines:
            await runtime_api.tell(self._files.admin, lines)
        self._sure = True

    def _plan(self, app_id: str) -> list[plan.Step]:
        slot = self._table.slots.get(app_id)
        if slot is None or self.live is None:
            return []
        hosts, upstreams = self._table.hosts(app_id), self._table.upstreams(app_id)
        tls, paused = self._authority is not None, self._table.paused(app_id)
        steps = plan.plan(render.backend(slot), hosts, upstreams, self.live, tls=tls, paused=paused)
        for step in steps:
            plan.note(self.live, step)
        return steps

    async def _reload(self) -> None:
        await self.prepare()
        await self._check()
        await self._haproxy.reload()
        await self.load()
        logger.info("router.reloaded", backends=self._capacity)

    async def _check(self) -> None:
        """`Problem` when HAProxy does not take the configuration; skipped when it took the very same before."""
        fingerprint = render.fingerprint(self._written.values())
        if fingerprint == self._checked:
            return
        try:
            await self._haproxy.check(self._files.config)
        except Problem:
            self.put_back_good()
            raise
        self._checked = fingerprint
        self.keep_good()

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

    def _ensure(self, host: str) -> bool:
        return self._authority is not None and self._authority.ensure(host)

    def _certificate_hosts(self) -> list[str]:
        if self._authority is None:
            return []
        return [self._api_host, *(host for app_id in self._table.slots for host in self._table.hosts(app_id))]

    def _prune(self) -> None:
        """Delete the certificates of hosts that are gone."""
        wanted = {self._files.certificate(host) for host in self._certificate_hosts()}
        for path in self._files.certificates.glob("*.pem"):
            if path not in wanted:
                path.unlink()

    def _texts(self) -> dict[str, str]:
        table, frame = self._table, self._frame
        return {
            self._files.table.name: msgspec.json.encode(table.stored()).decode(),
            self._files.host_map.name: render.host_map(table, frame.settings),
            self._files.crt_list.name: render.crt_list(self._certificate_hosts(), self._files),
            self._files.config.name: render.config(table, frame),
        }

    def _store(self, texts: dict[str, str]) -> None:
        """Write what differs from what was written last."""
        changed = {name: text for name, text in texts.items() if self._written.get(name) != text}
        replace_all(self._files.root, changed)
        self._written = {**self._written, **changed}

    def _write_pages(self) -> None:
        """Small, and made anew at each start: no fsync."""
        for name, text in pages.files(self._frame.settings.url).items():
            path = self._files.pages / name
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
