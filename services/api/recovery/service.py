"""The two ways out of recovery mode. Each is one transaction; what it decides reaches the runtime as later wishes."""

import msgspec
from sqlalchemy import update

from libs.common.bus import BusAway, NoAnswer
from libs.common.secrets import Vault
from libs.common.states import Intent
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.apps.service import remove
from services.api.core import Core
from services.api.db.tables import MetaRow
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.recovery import mode
from services.api.recovery.adopt import adopt, hold, make_row
from services.api.recovery.differences import Difference, Picture, compare, everywhere, read_rows, rows
from services.api.recovery.schemas import Recovery


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
    for app in apps.values():
        if app.gone_at is None:
            app.settled = 0
            desire(tx, app)
    for one in found:
        if one.kind in {"unknown", "gone"}:
            await _let_go(tx, apps.get(one.app_id) or await make_row(tx, vault, seen.wishes[one.app_id]))
    await _finish(tx, "the database won", found)
    return found


async def _let_go(tx: Tx, app: AppRow) -> None:
    """What the database does not want goes the way of every delete: the runtime proves its absence."""
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
