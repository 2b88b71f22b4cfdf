"""The two ways out of recovery mode. Each is one transaction; what it decides reaches the runtime as later wishes."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import update

from libs.common.bus import BusAway, NoAnswer
from libs.common.messages.api import Desired
from libs.common.secrets import Vault
from libs.common.states import Intent
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.apps.runs import open_runs
from services.api.apps.service import remove
from services.api.core import Core
from services.api.db.tables import MetaRow
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.recovery import mode
from services.api.recovery.adopt import adopt, hold, make_row
from services.api.recovery.differences import Difference, Picture, compare, everywhere, read_rows, rows
from services.api.recovery.schemas import Recovery
from services.api.recovery.volumes import keep_copies, take_over
from services.api.runs import moves


async def look(core: Core) -> Recovery:
    """Whether recovery is needed, and each app on which the database and the rest disagree. `503` without bus or runtime."""
    seen = await picture(core)
    async with core.db.connect() as connection:
        need = await mode.needed(connection)
    differences = compare(await read_rows(core.db), seen, core.db.epoch)
    return Recovery(needed=need is not None, since=need.since if need else None, reason=need.reason if need else None, apps=differences)


async def adopt_all(tx: Tx, vault: Vault, seen: Picture) -> list[Difference]:
    """What runs wins. Apps that the database lacks are made, those that it has older are brought up to what runs."""
    apps = await rows(tx)
    found = compare(apps, seen, tx.epoch)
    await _raise_epoch(tx, _highest(tx, seen))
    await lose_runs(tx, apps.values())
    for one in found:
        if one.kind == "missing":
            await hold(tx, apps[one.app_id])
        elif one.kind != "gone":
            await adopt(tx, vault, apps.get(one.app_id), seen.wishes[one.app_id])
    await _finish(tx, "what runs won", found)
    return found


async def enforce(tx: Tx, vault: Vault, seen: Picture) -> list[Difference]:
    """The database wins: the epoch rises, so that every wish of it is later than any that came before. What it lacks is removed."""
    apps = await rows(tx)
    found = compare(apps, seen, tx.epoch)
    await _raise_epoch(tx, _highest(tx, seen) + 1)
    await lose_runs(tx, apps.values())
    for app in apps.values():
        if app.gone_at is None:
            app.settled = 0
            _pass_over_numbers(app, seen.wishes.get(app.id))
            await keep_copies(tx, app, seen.wishes.get(app.id))
            desire(tx, app)
    for one in found:
        if one.kind in {"unknown", "gone"}:
            await _let_go(tx, vault, apps.get(one.app_id), seen.wishes[one.app_id])
    await _finish(tx, "the database won", found)
    return found


async def lose_runs(tx: Tx, apps: Iterable[AppRow]) -> None:
    """Those that are open may have ended since this database was written: none of them is run again."""
    await moves.lose_all(tx)
    for app in apps:
        if open_runs(app) and app.gone_at is None:
            app.runs = "[]"
            desire(tx, app)


def _pass_over_numbers(app: AppRow, wish: Desired | None) -> None:
    """Containers of what came after the backup are there still, and drain: no release gets the number of theirs."""
    releases = (wish.current, wish.candidate) if wish else ()
    app.release = max([app.release, *(release.number for release in releases if release is not None)])


async def _let_go(tx: Tx, vault: Vault, known: AppRow | None, wish: Desired) -> None:
    """What the database does not want goes the way of every delete: the runtime proves its absence. Data is kept, and listed."""
    app = known or await make_row(tx, vault, wish)
    await take_over(tx, app, wish)
    app.gone_at, app.intent = None, Intent.RUNNING.value
    await remove(tx, app)


async def picture(core: Core) -> Picture:
    """What bus and engine hold; `503 runtime_unavailable` where they cannot be asked."""
    try:
        return await everywhere(core.bus, core.db.epoch)
    except (BusAway, NoAnswer) as error:
        raise Problem("runtime_unavailable", f"What runs cannot be seen: {error}.") from error


def _highest(tx: Tx, seen: Picture) -> int:
    return max([tx.epoch, *(wish.epoch for wish in seen.wishes.values())])


async def _raise_epoch(tx: Tx, epoch: int) -> None:
    tx.epoch = epoch
    await tx.connection.execute(update(MetaRow).where(MetaRow.name == "epoch").values(value=str(epoch)))


async def _finish(tx: Tx, how: str, found: list[Difference]) -> None:
    await mode.end(tx)
    data: dict[str, object] = {"apps": [msgspec.to_builtins(one) for one in found]}
    tx.record("system.recovered", f"Recovery ended: {how}; {len(found)} apps differed.", level="warning", data=data)
