"""A write transaction: what it changes in SQL and what it says on the bus land together or not at all."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from libs.common import clock, ids, log, subjects
from libs.common.messages.api import Desired, Recorded
from libs.common.messages.builder import BuildImage, CollectImages, LoadImage, PrepareImage
from libs.common.secrets import Vault
from services.api.audit.caller import Act
from services.api.db.outbox_row import Entry, Kind

Command = PrepareImage | BuildImage | LoadImage | CollectImages
_SERVICE_OF: dict[type[Command], str] = {PrepareImage: "builder", BuildImage: "builder", LoadImage: "builder", CollectImages: "builder"}


class Tx:
    """`connection` for Core statements (the hot paths), `session` for the ORM: both are the same transaction.

    The session writes what changed once, at the end or at `flush`, not before each query: a query sees rows as they were.

    `epoch` and `base_domain` are what every entry of `desired` needs to know of this installation; `keep_releases` is
    how many releases keep their images.
    """

    def __init__(
        self, connection: AsyncConnection, epoch: int, base_domain: str, keep_releases: int = 5, vault: Vault | None = None
    ) -> None:
        self.connection = connection
        self.epoch = epoch
        self.base_domain = base_domain
        self.keep_releases = keep_releases
        self._vault = vault
        self.entries: list[Entry] = []
        self.acts: list[Act] = []
        self._session: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        if self._session is None:
            self._session = AsyncSession(bind=self.connection, expire_on_commit=False, autoflush=False)
        return self._session

    @property
    def vault(self) -> Vault:
        """What opens and seals the secrets that a command carries."""
        if self._vault is None:
            raise RuntimeError("this database was opened without the key to its secrets")
        return self._vault

    async def flush(self) -> None:
        """Write what the session holds; called before the commit."""
        if self._session is not None:
            await self._session.flush()

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A part that is undone alone when it raises, with what it had to say and to audit. The session then knows no rows any more."""
        said, acted = len(self.entries), len(self.acts)
        try:
            async with self.connection.begin_nested():
                yield
                await self.flush()
        except BaseException:
            del self.entries[said:], self.acts[acted:]
            if self._session is not None:
                self._session.expunge_all()
            raise

    def send(self, command: Command) -> None:
        """Have a worker do something, once: the command's id is what makes it once."""
        subject = subjects.command(_SERVICE_OF[type(command)], command, command.app_id)
        self._add(Kind.COMMAND, subject, command, app_id=command.app_id, message_id=command.command_id)

    def record(
        self,
        kind: str,
        message: str,
        *,
        app_id: str | None = None,
        project_id: str | None = None,
        deployment_id: str | None = None,
        level: str = "info",
        data: Mapping[str, object] | None = None,
        event_id: str | None = None,
    ) -> None:
        """Put an event of this service into the feed, by way of the stream. `event_id`: where a fact gives it one."""
        event = Recorded(
            event_id=event_id or ids.new("evt"),
            type=kind,
            at=clock.now(),
            app_id=app_id,
            project_id=project_id,
            deployment_id=deployment_id,
            level=level,
            message=message,
            data=dict(data or {}),
        )
        self.audit(kind, deployment_id or app_id or project_id, project_id=project_id)
        self._add(Kind.EVENT, subjects.event("api", event, app_id), event, app_id=app_id or "", message_id=event.event_id)

    def audit(
        self, action: str, target: str | None = None, *, project_id: str | None = None, outcome: str = "done", detail: str | None = None
    ) -> None:
        """Have the audit tell of what is no event; every `record` of a request is told of by itself."""
        self.acts.append(Act(action=action, target=target, project_id=project_id, outcome=outcome, detail=detail))

    def desire(self, entry: Desired) -> None:
        """Tell the runtime what is wanted of an app now."""
        rank = (entry.epoch, entry.revision)
        self._add(Kind.DESIRED, entry.app_id, entry, app_id=entry.app_id, message_id=".".join(map(str, rank)), rank=rank)

    def forget(self, app_id: str, rank: tuple[int, int]) -> None:
        """Remove the key of an app that is gone."""
        self._add(Kind.DESIRED, app_id, None, app_id=app_id, message_id=".".join(map(str, rank)), rank=rank)

    def _add(
        self,
        kind: Kind,
        subject: str,
        message: msgspec.Struct | None,
        *,
        app_id: str,
        message_id: str,
        rank: tuple[int, int] = (0, 0),
    ) -> None:
        body = b"" if message is None else msgspec.json.encode(message)
        entry = Entry(kind=kind, subject=subject, app_id=app_id, message_id=message_id, body=body, headers=log.outgoing(), rank=rank)
        self.entries.append(entry)
