"""Where sealed values stand, and which key each of them needs. What is sealed in a new place has to be named here."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
from sqlalchemy import Row, Select, select, tuple_

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.secrets import Vault
from services.api.accounts.models import ApiKeyRow
from services.api.apps.models import AppRow
from services.api.codex.models import CodexKeyRow
from services.api.db.database import Database
from services.api.db.outbox_row import Kind
from services.api.db.tables import IdempotencyRow, OutboxRow
from services.api.deployments.models import ReleaseRow
from services.api.git.models import GitConnectionRow, GitStateRow
from services.api.notifications.models import NotificationRow
from services.api.projects.models import ProjectRow
from services.api.registries.models import RegistryRow
from services.api.secrets.schemas import KeyUse, Secrets
from services.api.webhooks.models import WebhookRow

PAGE = 100
Columns = tuple[Any, ...]

COLUMNS: tuple[tuple[Columns, Any], ...] = (
    ((ApiKeyRow.id,), ApiKeyRow.sealed),
    ((RegistryRow.id,), RegistryRow.sealed),
    ((IdempotencyRow.principal, IdempotencyRow.key), IdempotencyRow.answer),
    ((AppRow.id,), AppRow.preview_env),
    ((GitConnectionRow.id,), GitConnectionRow.token),
    ((GitConnectionRow.id,), GitConnectionRow.login),
    ((GitStateRow.id,), GitStateRow.verifier),
    ((WebhookRow.app_id,), WebhookRow.secret),
    ((NotificationRow.id,), NotificationRow.sealed),
    ((CodexKeyRow.user_id,), CodexKeyRow.sealed),
    ((ProjectRow.id,), ProjectRow.shared_env),
    ((ReleaseRow.app_id, ReleaseRow.number), ReleaseRow.shared),
)
"""Primary key and column of what holds one sealed value a row. Those of apps and releases go together: see `rotation`."""


class Sealed(msgspec.Struct):
    """The fields of a `Release` that are sealed; `shared` may be empty."""

    env: str
    shared: str = ""

    @property
    def tokens(self) -> list[str]:
        return [self.env, self.shared] if self.shared else [self.env]


class Guarded(msgspec.Struct):
    """The one field of a `Front` that is sealed."""

    basic_auth: str = ""


class Shown(msgspec.Struct):
    """What of an entry of `routes` is sealed."""

    front: Guarded | None = None


class Certified(msgspec.Struct):
    """What of an entry of `certificates` is sealed; empty where there is none yet."""

    pem: str = ""


class Wish(msgspec.Struct):
    """What of an entry of `desired` is sealed."""

    current: Sealed | None = None
    candidate: Sealed | None = None
    front: Guarded | None = None


async def use(db: Database, bus: Bus, vault: Vault) -> Secrets:
    """Count what needs each key, in SQL and on the bus. Raises `BusAway`."""
    found: Counter[int | None] = Counter()
    async for tokens in _in_sql(db):
        found.update(vault.key_of(token) for token in tokens)
        await asyncio.sleep(0)  # others have their turn
    for bucket, tokens_of in ON_BUS.items():
        entries = await Bucket(bus, bucket, msgspec.Raw).all()
        found.update(vault.key_of(token) for key, raw in entries.items() if key != subjects.COMPLETE_KEY for token in tokens_of(raw))
    keys = [KeyUse(id=name, values=found[number]) for number, name in enumerate(vault.key_ids)]
    return Secrets(keys=keys, unreadable=found[None])


def of_wish(raw: bytes | msgspec.Raw) -> list[str]:
    wish = msgspec.json.decode(raw, type=Wish)
    return [token for release in (wish.current, wish.candidate) if release is not None for token in release.tokens] + _guards(wish.front)


def _of_route(raw: msgspec.Raw) -> list[str]:
    return _guards(msgspec.json.decode(raw, type=Shown).front)


def _of_certificate(raw: msgspec.Raw) -> list[str]:
    pem = msgspec.json.decode(raw, type=Certified).pem
    return [pem] if pem else []


def _guards(front: Guarded | None) -> list[str]:
    return [front.basic_auth] if front and front.basic_auth else []


ON_BUS: dict[str, Callable[[msgspec.Raw], list[str]]] = {
    subjects.DESIRED: of_wish,
    subjects.ROUTES: _of_route,
    subjects.CERTIFICATES: _of_certificate,
}
"""What holds sealed values on the bus. Runtime and routers put theirs under the first key when they get it."""


async def _in_sql(db: Database) -> AsyncIterator[list[str]]:
    for key, column in COLUMNS:
        async for rows in pages(db, select(*key, column).where(column.is_not(None)), key):
            yield [row[-1] for row in rows]
    async for rows in pages(db, select(AppRow.id, AppRow.env, AppRow.basic_auth, AppRow.current, AppRow.candidate), (AppRow.id,)):
        yield [token for row in rows for token in _of_app(row)]
    key = (ReleaseRow.app_id, ReleaseRow.number)
    async for rows in pages(db, select(*key, ReleaseRow.env), key):
        yield [row.env for row in rows]
    waiting = select(OutboxRow.id, OutboxRow.body).where(OutboxRow.kind == Kind.DESIRED.value)
    async for rows in pages(db, waiting, (OutboxRow.id,)):
        yield [token for row in rows if row.body for token in of_wish(row.body)]


def _of_app(row: Row[Any]) -> Iterator[str]:
    yield row.env
    if row.basic_auth is not None:
        yield row.basic_auth
    for release in (row.current, row.candidate):
        if release is not None:
            yield from msgspec.json.decode(release, type=Sealed).tokens


async def pages(db: Database, query: Select[*tuple[Any, ...]], key: Columns) -> AsyncIterator[list[Row[Any]]]:
    """The rows of `query`, whose first columns are `key`, a page at a time; each page is a snapshot of its own."""
    last: tuple[Any, ...] | None = None
    while True:
        page = query.order_by(*key).limit(PAGE)
        async with db.connect() as connection:
            rows = list((await connection.execute(page if last is None else page.where(tuple_(*key) > last))).all())
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        last = tuple(rows[-1][: len(key)])
