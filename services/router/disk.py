"""The files that HAProxy starts from, kept in step with the table; what it runs with is the applier's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import structlog

from services.router import maps, pages, render
from services.router.files import Files, replace, replace_all
from services.router.frame import Frame, api_hosts, port_in_url
from services.router.guards import Guards
from services.router.haproxy import HAProxy
from services.router.problem import Problem
from services.router.shown import Shown
from services.router.table import Table

_SAVE_SECONDS = 0.05

logger = structlog.get_logger()


class Disk:
    """Knows what was written last. `changed` is set when there is something to save; `challenges`: ACME token → key authorization."""

    def __init__(self, *, table: Table, frame: Frame, shown: Shown | None) -> None:
        self._table = table
        self._frame = frame
        self._files: Files = frame.files
        self._shown = shown
        self._lock = asyncio.Lock()
        self._guards = Guards(frame.settings.secret_key)
        self._written: dict[str, str] = {}
        self._checked = ""
        self.changed = asyncio.Event()
        self.challenges: dict[str, str] = {}

    @contextlib.asynccontextmanager
    async def prepared(self) -> AsyncIterator[None]:
        """Every file is written for the table as it is, and stays so while HAProxy reads them: a start, or a reload.

        The table may change meanwhile, and then a file would name what another does not have yet.
        """
        async with self._lock:
            self._write_pages()
            for host in self.certificate_hosts():
                self.ensure(host)
            await asyncio.to_thread(self._store, self._texts())
            yield

    async def save(self) -> None:
        """Write the present state to disk. `OSError`."""
        async with self._lock:
            await asyncio.to_thread(self._store, self._texts())

    async def save_for_ever(self) -> None:
        """Write the present state to disk soon after each change."""
        while True:
            await self.changed.wait()
            await asyncio.sleep(_SAVE_SECONDS)
            self.changed.clear()
            try:
                await self.save()
            except OSError as error:
                logger.error("router.not_saved", error=str(error))  # noqa: TRY400 - a full disk is no bug
                self.changed.set()
                await asyncio.sleep(1)

    async def check(self, haproxy: HAProxy) -> None:
        """`Problem` when HAProxy does not take the configuration; skipped when it took the very same before."""
        fingerprint = render.fingerprint(self._written.values())
        if fingerprint == self._checked:
            return
        try:
            await haproxy.check(self._files.config)
        except Problem:
            self.put_back_good()
            raise
        self._checked = fingerprint
        self.keep_good()

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

    def maps(self) -> maps.Maps:
        """What the maps have to hold now."""
        port = port_in_url(self._frame.settings)
        fronted = [
            maps.Fronted(hosts=self._table.hosts(app_id), front=front, guard=self._guards.open(front.basic_auth))
            for app_id, front in self._table.fronts()
        ]
        return maps.wanted(self.challenges, fronted, port)

    def ensure(self, host: str) -> bool:
        """See to it that the host's certificate is there and the one to show; True when it was another, or none, before."""
        return self._shown is not None and self._shown.ensure(host)

    def certificate_hosts(self) -> list[str]:
        """The hosts that have a certificate, the API's first; none without TLS."""
        if self._shown is None:
            return []
        api, *_ = api_hosts(self._frame.settings)
        return [api, *(host for app_id in self._table.slots for host in self._table.hosts(app_id))]

    async def prune(self) -> None:
        """Delete the certificates of hosts that are gone, but none that HAProxy is about to read."""
        async with self._lock:
            wanted = {self._files.certificate(host) for host in self.certificate_hosts()}
            for path in self._files.certificates.glob("*.pem"):
                if path not in wanted:
                    path.unlink()

    def _texts(self) -> dict[str, str]:
        table, frame = self._table, self._frame
        return {
            self._files.table.name: msgspec.json.encode(table.stored()).decode(),
            self._files.host_map.name: render.host_map(table, frame.settings),
            self._files.crt_list.name: render.crt_list(self.certificate_hosts(), self._files),
            **{self._files.map(name).name: maps.text(entries) for name, entries in self.maps().items()},
            self._files.config.name: render.config(table, frame),
        }

    def _store(self, texts: dict[str, str]) -> None:
        """Write what differs from what was written last."""
        changed = {name: text for name, text in texts.items() if self._written.get(name) != text}
        replace_all(self._files.root, changed)
        self._written = {**self._written, **changed}

    def _write_pages(self) -> None:
        """Small, and made anew at each start: no fsync."""
        texts = {self._files.pages / name: text for name, text in pages.files(self._frame.settings.url).items()}
        for path, text in (texts | {self._files.waker: render.waker(self._frame)}).items():
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
