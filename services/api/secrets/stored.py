"""Where sealed values stand, and which key each of them needs. What is sealed in a new place has to be named here."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
from sqlalchemy import Row, Select, select, tuple_

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.secrets import Vault
from services.api.accounts.models import ApiKeyRow
from services.api.apps.models import AppRow
from services.api.db.database import Database
from services.api.db.outbox_row import Kind
from services.api.db.tables import IdempotencyRow, OutboxRow
from services.api.deployments.models import ReleaseRow
from services.api.git.models import GitConnectionRow, GitStateRow
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
)
"""Primary key and column of what holds one sealed value a row. Those of apps and releases go together: see `rotation`."""


class Sealed(msgspec.Struct):
    """The one field of a `Release` that is sealed."""

    env: str


class Wish(msgspec.Struct):
    """What of an entry of `desired` is sealed."""

    current: Sealed | None = None
    candidate: Sealed | None = None


async def use(db: Database, bus: Bus, vault: Vault) -> Secrets:
    """Count what needs each key, in SQL and on the bus. Raises `BusAway`."""
    found: Counter[int | None] = Counter()
    async for tokens in _in_sql(db):
        found.update(vault.key_of(token) for token in tokens)
        await asyncio.sleep(0)  # others have their turn
    wishes = await Bucket(bus, subjects.DESIRED, msgspec.Raw).all()
    found.update(vault.key_of(token) for key, raw in wishes.items() if key != subjects.COMPLETE_KEY for token in of_wish(raw))
    keys = [KeyUse(id=name, values=found[number]) for number, name in enumerate(vault.key_ids)]
    return Secrets(keys=keys, unreadable=found[None])


def of_wish(raw: bytes | msgspec.Raw) -> list[str]:
    wish = msgspec.json.decode(raw, type=Wish)
    return [release.env for release in (wish.current, wish.candidate) if release is not None]


async def _in_sql(db: Database) -> AsyncIterator[list[str]]:
    for key, column in COLUMNS:
        async for rows in pages(db, select(*key, column).where(column.is_not(None)), key):
            yield [row[-1] for row in rows]
    async for rows in pages(db, select(AppRow.id, AppRow.env, AppRow.current, AppRow.candidate), (AppRow.id,)):
        yield [token for row in rows for token in _of_app(row)]
    key = (ReleaseRow.app_id, ReleaseRow.number)
    async for rows in pages(db, select(*key, ReleaseRow.env), key):
        yield [row.env for row in rows]
    waiting = select(OutboxRow.id, OutboxRow.body).where(OutboxRow.kind == Kind.DESIRED.value)
    async for rows in pages(db, waiting, (OutboxRow.id,)):
        yield [token for row in rows if row.body for token in of_wish(row.body)]


def _of_app(row: Row[Any]) -> Iterator[str]:
    yield row.env
    for release in (row.current, row.candidate):
        if release is not None:
            yield msgspec.json.decode(release, type=Sealed).env


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
