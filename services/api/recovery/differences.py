"""What the bus and the engine know that the database does not: the present wish of each app, compared with its row."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from sqlalchemy import select

from libs.common import subjects
from libs.common.bucket import Bucket
from libs.common.bus import Bus
from libs.common.messages.api import Complete, Desired
from libs.common.messages.runtime import Inventory, InventoryQuery
from services.api.apps.models import AppRow
from services.api.db.database import Database
from services.api.db.locks import held
from services.api.db.tx import Tx

_INVENTORY_SECONDS = 15.0
Kind = Literal["newer", "unknown", "missing", "gone"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One app.

    `newer`: bus or engine hold a later wish than the database. `unknown`: the database never heard of it. `missing`: the database
    has it and the bus, which is complete, does not. `gone`: the database has it as deleted, and containers of it are there.
    Releases and revisions are None where that side has none.
    """

    app_id: str
    slug: str
    kind: Kind
    database_release: int | None = None
    database_revision: int | None = None
    found_release: int | None = None
    found_revision: int | None = None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """`wishes`: the latest of each app that bus or engine hold. `complete`: the bus holds every app of the database's epoch."""

    wishes: dict[str, Desired]
    complete: bool


async def on_bus(bus: Bus, epoch: int) -> Picture:
    """Read the bucket `desired`. Raises `BusAway`."""
    entries = await Bucket(bus, subjects.DESIRED, msgspec.Raw).all()
    marker = entries.pop(subjects.COMPLETE_KEY, None)
    wishes = {key: msgspec.json.decode(raw, type=Desired) for key, raw in entries.items()}
    is_complete = marker is not None and msgspec.json.decode(marker, type=Complete).epoch >= epoch
    return Picture(wishes=wishes, complete=is_complete)


async def everywhere(bus: Bus, epoch: int) -> Picture:
    """As `on_bus`, with what the runtime reads from the containers. Raises `BusAway`, and `NoAnswer` without a runtime."""
    seen = await on_bus(bus, epoch)
    wishes = dict(seen.wishes)
    for wish in await _running(bus):
        known = wishes.get(wish.app_id)
        if known is None or rank(known) < rank(wish):
            wishes[wish.app_id] = wish
    return Picture(wishes=wishes, complete=seen.complete)


async def _running(bus: Bus) -> list[Desired]:
    found: list[Desired] = []
    query = InventoryQuery()
    while True:
        part = await bus.query("runtime", "inventory", query, Inventory, timeout=_INVENTORY_SECONDS)
        found += part.apps
        if not part.more or not part.apps:
            return found
        query = InventoryQuery(after=part.apps[-1].app_id)


def rank(wish: Desired) -> tuple[int, int]:
    return wish.epoch, wish.revision


async def rows(tx: Tx) -> dict[str, AppRow]:
    """Every app, locked, those that are gone too."""
    found = (await tx.session.execute(held(select(AppRow).order_by(AppRow.id)))).scalars()
    return {row.id: row for row in found}


async def read_rows(db: Database) -> dict[str, AppRow]:
    async with db.read() as session:
        return {row.id: row for row in (await session.execute(select(AppRow))).scalars()}


def compare(apps: Mapping[str, AppRow], picture: Picture, epoch: int) -> list[Difference]:
    """Every app on which the database and the picture disagree, by id. Pure."""
    found = [_of_wish(wish, apps.get(wish.app_id), epoch) for wish in picture.wishes.values()]
    absent = [row for row in apps.values() if row.gone_at is None and row.id not in picture.wishes] if picture.complete else []
    found += [_difference("missing", None, row) for row in absent]
    return sorted((one for one in found if one is not None), key=lambda one: one.app_id)


def _of_wish(wish: Desired, row: AppRow | None, epoch: int) -> Difference | None:
    if row is None:
        return _difference("unknown", wish, None)
    if row.gone_at is not None:
        # Its key is removed after the row: without a container that is nothing.
        return _difference("gone", wish, row) if wish.current is not None and not wish.hosts else None
    return _difference("newer", wish, row) if rank(wish) > (epoch, row.revision) else None


def _difference(kind: Kind, wish: Desired | None, row: AppRow | None) -> Difference:
    if wish is not None:
        app_id, slug = wish.app_id, wish.slug
    elif row is not None:
        app_id, slug = row.id, row.slug
    else:
        raise ValueError("a difference is about something")
    return Difference(
        app_id=app_id,
        slug=row.slug if row else slug,
        kind=kind,
        database_release=row.release if row else None,
        database_revision=row.revision if row else None,
        found_release=wish.current.number if wish and wish.current else None,
        found_revision=wish.revision if wish else None,
    )
