"""What the routers know of certificates: the bucket that they share, and this router's copy on disk, which serves without the bus.

Whatever the bucket lost is put back from the disk of the first router that notices.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from libs.common import subjects
from libs.common.bucket import Bucket, Conflict, Mirror
from libs.common.bus import Bus, BusAway
from libs.common.messages.router import Certificate
from libs.common.secrets import UnreadableError, Vault
from services.router.acme import leaf
from services.router.files import replace

_RELIST_SECONDS = 300.0
_decoder = msgspec.json.Decoder(Certificate)

logger = structlog.get_logger()


def key_of(host: str) -> str:
    """A key of the bucket: a name that a person chose is never part of a subject."""
    return hashlib.sha256(host.encode()).hexdigest()[:32]


class Records:
    """`on_change(host)` is called when something is known of a host that was not before. `entries` is by key."""

    def __init__(self, bus: Bus, vault: Vault, folder: Path, on_change: Callable[[str], None]) -> None:
        self._vault = vault
        self._folder = folder
        self._on_change = on_change
        self._bucket = Bucket(bus, subjects.CERTIFICATES, Certificate)
        self.entries: dict[str, Certificate] = {}
        self._pems: dict[str, str] = {}
        self._lost: set[str] = set()
        self._unsaved: set[str] = set()
        self.mirror = Mirror(
            bus,
            subjects.CERTIFICATES,
            Certificate,
            on_change=self._take,
            on_listed=self._compare,
            relist_seconds=_RELIST_SECONDS,
        )

    def load(self) -> None:
        """Read the copy on disk."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*.json")):
            try:
                self._learn(path.stem, _decoder.decode(path.read_bytes()))
            except (OSError, msgspec.DecodeError) as error:
                logger.error("certificate.unreadable", path=path.name, error=str(error))  # noqa: TRY400 - another is asked for

    def of(self, host: str) -> Certificate:
        return self.entries.get(key_of(host)) or Certificate(host=host)

    def pem(self, host: str) -> str | None:
        """Key and chain of the host's certificate, if there is one."""
        return self._pems.get(key_of(host))

    @property
    def challenges(self) -> dict[str, str]:
        """Every token that is to be answered now."""
        return {token: text for record in self.entries.values() for token, text in record.challenges.items()}

    async def write(self, before: Certificate, after: Certificate) -> bool:
        """Swap the record; False when another router was first or the bus is away."""
        key = key_of(after.host)
        last = self.mirror.revisions.get(key, 0)
        if self.mirror.entries.get(key, Certificate(host=after.host)) != before:
            return False
        try:
            revision = await self._bucket.swap(key, after, last)
        except (Conflict, BusAway) as error:
            logger.info("certificate.not_written", host=after.host, error=str(error) or type(error).__name__)
            return False
        self.mirror.entries[key], self.mirror.revisions[key] = after, revision
        self._take(key, after)
        return True

    async def put_back(self) -> None:
        """Say again what the bucket lost."""
        self._lost &= self.entries.keys() - self.mirror.entries.keys()
        for record in [self.entries[key] for key in self._lost]:
            await self.write(Certificate(host=record.host), msgspec.structs.replace(record, claimed_until="", challenges={}))

    def save_again(self) -> None:
        """Write what the disk did not take."""
        for key in list(self._unsaved):
            self._save(key)

    async def forget(self, record: Certificate) -> None:
        """The host is gone, and its certificate is of no use any more."""
        key = key_of(record.host)
        try:
            await self._bucket.delete(key)
        except BusAway:
            return
        self._drop(key)

    def seal(self, pem: str) -> str:
        return self._vault.seal(pem)

    async def reseal(self) -> bool:
        """Put everything under the key that encrypts now; False when some of it is left for the next time."""
        old = [record for record in self.entries.values() if record.pem and self._vault.key_of(record.pem)]
        return all([await self.write(record, msgspec.structs.replace(record, pem=self._vault.reseal(record.pem))) for record in old])

    def _take(self, key: str, record: Certificate | None) -> None:
        if record is None:
            self._drop(key)
        elif self.entries.get(key) != record:
            self._learn(key, record)
            self._save(key)
            self._on_change(record.host)

    def _save(self, key: str) -> None:
        """A full disk costs no host its certificate: it is shown all the same, and written when there is room."""
        record = self.entries.get(key)
        try:
            if record is None:
                (self._folder / f"{key}.json").unlink(missing_ok=True)
            else:
                replace(self._folder / f"{key}.json", msgspec.json.encode(record).decode())
            self._unsaved.discard(key)
        except OSError as error:
            if key not in self._unsaved:
                logger.error("certificate.not_saved", key=key, error=str(error))  # noqa: TRY400 - no bug of ours
            self._unsaved.add(key)

    def _learn(self, key: str, record: Certificate) -> None:
        self.entries[key] = record
        self._pems.pop(key, None)
        if not record.pem:
            return
        try:
            pem = self._vault.open(record.pem, str)
            leaf.check(pem)
            self._pems[key] = pem
        except (UnreadableError, ValueError) as error:
            logger.error("certificate.unreadable", host=record.host, error=str(error))  # noqa: TRY400 - another is asked for

    def _drop(self, key: str) -> None:
        record = self.entries.pop(key, None)
        self._pems.pop(key, None)
        self._save(key)
        if record is not None:
            self._on_change(record.host)

    def _compare(self) -> None:
        self._lost |= self.entries.keys() - self.mirror.entries.keys()


def by_attempts(records: Mapping[str, Certificate]) -> list[str]:
    """Hosts in the order of their turn: those that never failed first, so that a hundred bad names hold no good one up."""
    return sorted(records, key=lambda host: (records[host].attempts, records[host].failed_at, host))
