"""Whether what is asked of an app fits what it uses now, what the machine has, and what its project may have."""

import math

import msgspec
from sqlalchemy import func, select

from libs.common.messages.api import Size
from libs.common.states import Intent
from services.api.apps import processes
from services.api.apps.grammar import machine
from services.api.apps.models import AppRow
from services.api.apps.status import Seen
from services.api.db.tx import Tx
from services.api.http.problems import FieldError, Problem
from services.api.projects import quotas
from services.api.projects.schemas import Usage
from services.api.settings import Settings

_seen = msgspec.json.Decoder(Seen)
_UP = {Intent.RUNNING.value, Intent.PAUSED.value}


def check_fits(app: AppRow, before: int | None, sizes: dict[str, Size]) -> None:
    """`409 memory_in_use` when a lower `memory_limit` is under what a replica used at the last sync: it would be killed for it.

    `before` was the app's own, `sizes` those of its other processes.
    """
    if app.current is None or app.intent not in _UP or not app.seen:
        return
    seen = _seen.decode(app.seen)
    _check(app, "", app.memory_limit, before, max(seen.memory.values(), default=0.0))
    for name, size in processes.sizes_of(app).items():
        last = sizes.get(name)
        _check(app, f"/processes/{name}", size.limits.memory, last.limits.memory if last else None, seen.beside.get(name, 0.0))


def _check(app: AppRow, pointer: str, wanted: int | None, before: int | None, in_use: float) -> None:
    if wanted is None or wanted >= in_use or (before is not None and wanted >= before):
        return
    detail = f"A replica of {app.slug} uses {in_use:g} MB; a limit of {wanted} MB would have it killed."
    hint = f"Set memory_limit to {math.ceil(in_use)} or more, or have the app use less first."
    errors = [FieldError(pointer=f"{pointer}/memory_limit", detail=f"is under the {in_use:g} MB in use")]
    raise Problem("memory_in_use", detail, hint=hint, errors=errors, memory_usage=in_use, memory_limit=wanted)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What an app lays claim to: of its project's quotas, and in MB of the machine's memory."""

    usage: Usage
    memory: float


def claim(app: AppRow) -> Claim:
    beside = sum(size.replicas * (size.limits.memory or 0) for size in processes.in_use(app).values())
    return Claim(usage=quotas.of(app), memory=quotas.most(app) * _of_one(app) + beside)


async def admit(tx: Tx, app: AppRow, before: Claim | None, installation: Settings) -> None:
    """Flush the app, which is to have another claim than `before`. `409 capacity_exceeded`, `409 quota_exceeded`; less is always taken."""
    await tx.flush()
    wanted = claim(app).memory
    if (quotas.most(app) > 1 or processes.in_use(app)) and (before is None or wanted > before.memory):
        await _check_machine(tx, app, wanted)
    await quotas.check(tx, app, before.usage if before else None, installation)


def _of_one(app: AppRow) -> float:
    """MB that a replica may come to use: its limit, or without one the most that one of them used at the last sync."""
    if app.memory_limit is not None:
        return app.memory_limit
    return max(_seen.decode(app.seen).memory.values(), default=0.0) if app.seen else 0.0


async def _check_machine(tx: Tx, app: AppRow, wanted: float) -> None:
    """CPU is shared when it is short; memory is not."""
    _, megabytes = machine()
    others = select(func.coalesce(func.sum(AppRow.memory_usage), 0.0)).where(AppRow.id != app.id, AppRow.gone_at.is_(None))
    free = max(0.0, megabytes - float((await tx.connection.execute(others)).scalar_one() or 0))
    if wanted <= free:
        return
    one = _of_one(app)
    beside = wanted - quotas.most(app) * one
    fit = int(max(0.0, free - beside) // one) if one else 0
    rest = f" and its other processes with {beside:g} MB" if beside else ""
    what = f"{quotas.most(app)} replicas of {app.slug} with {one:g} MB each{rest}"
    detail = f"{what} are {wanted:g} MB; {free:g} of the machine's {megabytes} are free."
    hint = f"Ask for at most {fit} replicas, or lower memory_limit." if fit else "Lower memory_limit, or stop what is not needed."
    raise Problem("capacity_exceeded", detail, hint=hint, free=round(free, 1), wanted=wanted, most_replicas=fit)
