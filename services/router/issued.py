"""Certificates from an ACME authority, as the rest of the router sees them."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from libs.common import clock
from libs.common.bus import Bus
from libs.common.secrets import Vault
from services.router.acme.client import Account, Client
from services.router.acme.keeper import Keeper
from services.router.acme.records import Records
from services.router.acme.zone import Zone
from services.router.apply import Applier
from services.router.files import Files
from services.router.frame import api_hosts
from services.router.own import Own
from services.router.problem import Problem
from services.router.settings import Settings
from services.router.table import Table

_AGAIN_SECONDS = 0.5
_CLAIM = timedelta(minutes=5)
_NOT_PUBLIC = frozenset({"localhost", "local", "internal", "invalid", "onion", "arpa", "alt"})

logger = structlog.get_logger()


class Issued:
    """`find` gives what was issued for a host. `run` asks for what is missing or ends, and has the proxy show it."""

    def __init__(self, *, settings: Settings, bus: Bus, files: Files, table: Table, own: Own, router_id: str) -> None:
        self._settings = settings
        self._table = table
        self._own = own
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._records = Records(bus, Vault(settings.secret_key), files.acme / "certificates", self._note)
        self._records.load()
        account = Account(
            directory=settings.acme_directory,
            email=settings.acme_email,
            key_file=files.acme / "account.key",
            ca_file=settings.acme_ca_file,
        )
        self._keeper = Keeper(
            bus=bus,
            router_id=router_id,
            records=self._records,
            order=Client(account, _zone(settings)).order,
            claim=_CLAIM + timedelta(seconds=settings.acme_dns_seconds if settings.acme_dns_provider else 0),
            first_pause=timedelta(seconds=settings.acme_retry_seconds),
            wanted=self._wanted,
            app_of=table.owner,
        )

    def find(self, host: str) -> str | None:
        """Of its own and the wildcard that which lasts longest. One that has ended is none."""
        now = clock.rfc3339(datetime.now(UTC))
        records = [self._records.of(name) for name in (host, f"*.{host.partition('.')[2]}")]
        held = {record.expires_at: pem for record in records if record.expires_at > now and (pem := self._records.pem(record.host))}
        return held[max(held)] if held else None

    async def run(self, applier: Applier) -> None:
        self._keeper.answering = applier.answers
        async with asyncio.TaskGroup() as tasks:
            for work in (self._records.mirror.run(), self._keeper.run(), self._follow(applier)):
                tasks.create_task(work)

    async def _follow(self, applier: Applier) -> None:
        """Whatever is known anew goes to the proxy: challenges first, somebody waits for these."""
        said = ""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, set()
            applier.disk.challenges = self._records.challenges
            try:
                await applier.apply(())
                await applier.show(self._served(changed))
            except (Problem, OSError) as problem:
                if str(problem) != said:
                    logger.warning("certificates.not_shown", hosts=len(changed), problem=str(problem))
                said = str(problem)
                self._changed |= changed
                self._wake.set()
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                said = ""

    def _note(self, host: str) -> None:
        self._changed.add(host)
        self._wake.set()

    def _wanted(self) -> set[str]:
        """Every host that the proxy serves and the public may ask for, but those that the operator has a certificate for."""
        hosts = self._hosts()
        if wildcard := self._wildcard:
            hosts = {host for host in hosts if not _is_under(host, wildcard)} | {wildcard}
        return {host for host in hosts if _is_public(host) and self._own.find(host) is None}

    def _hosts(self) -> set[str]:
        return {host for app_id in self._table.slots for host in self._table.hosts(app_id)} | {api_hosts(self._settings)[0]}

    def _served(self, names: set[str]) -> set[str]:
        """The hosts that certificates of these names are shown at."""
        wildcards = [name for name in names if name.startswith("*.")]
        return names | {host for host in self._hosts() if any(_is_under(host, wildcard) for wildcard in wildcards)}

    @property
    def _wildcard(self) -> str:
        return f"*.{self._settings.base_domain}" if self._settings.acme_dns_provider else ""


def _zone(settings: Settings) -> Zone | None:
    if not settings.acme_dns_provider:
        return None
    options = dict(option.split("=", 1) for option in settings.acme_dns_options)
    return Zone(settings.base_domain, settings.acme_dns_provider, options, settings.acme_dns_seconds)


def _is_under(host: str, wildcard: str) -> bool:
    return host.partition(".")[2] == wildcard.removeprefix("*.")


def _is_public(host: str) -> bool:
    return "." in host and host.rpartition(".")[2] not in _NOT_PUBLIC
