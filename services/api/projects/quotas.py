"""Quotas of a project: how many apps, and how much CPU and memory they may use together."""

from typing import Any

import msgspec
from sqlalchemy import Select, case, func, select

from services.api.apps.grammar import machine
from services.api.apps.models import AppRow
from services.api.db.tx import Tx
from services.api.http.problems import Problem
from services.api.projects.models import ProjectRow
from services.api.projects.schemas import Quotas, QuotasUpdate, Usage
from services.api.settings import Settings

_LOCK = 73_001
_UNITS = {"apps": "apps", "cpu": "cores", "memory": "MB"}
_SETTINGS = {"apps": "fewer apps", "cpu": "a lower cpu_limit or fewer replicas", "memory": "a lower memory_limit or fewer replicas"}


def used_in(project: Any) -> tuple[Select[int], Select[float], Select[int]]:  # noqa: ANN401 - a column or a value
    """Queries for what the apps of a project may use: how many there are, cores, MB. What is being deleted does not count."""
    cores, megabytes = machine()
    there = (AppRow.project_id == project, AppRow.gone_at.is_(None), AppRow.intent != "deleted")
    most = case((AppRow.most_replicas > AppRow.replicas, AppRow.most_replicas), else_=AppRow.replicas)
    cpu = case(
        (AppRow.cpu_limit.is_(None) | AppRow.process_cpu.is_(None), float(cores)), else_=AppRow.cpu_limit * most + AppRow.process_cpu
    )
    memory = case(
        (AppRow.memory_limit.is_(None) | AppRow.process_memory.is_(None), megabytes),
        else_=AppRow.memory_limit * most + AppRow.process_memory,
    )
    sums = func.coalesce(func.sum(cpu), 0.0), func.coalesce(func.sum(memory), 0)
    return select(func.count(AppRow.id)).where(*there), select(sums[0]).where(*there), select(sums[1]).where(*there)


def of(app: AppRow) -> Usage:
    """What one app may use: limit times the most replicas that each process may have; without a limit all that the machine has."""
    cores, megabytes = machine()
    return Usage(
        apps=1,
        cpu=cores if app.cpu_limit is None or app.process_cpu is None else app.cpu_limit * most(app) + app.process_cpu,
        memory=megabytes if app.memory_limit is None or app.process_memory is None else app.memory_limit * most(app) + app.process_memory,
    )


def most(app: AppRow) -> int:
    """How many replicas the app may have: its own number, or more where load may decide on more."""
    return max(app.replicas, app.most_replicas or 0)


def allowed(project: ProjectRow, defaults: Settings) -> Quotas:
    """The project's own quotas, or where it has none the server's."""
    own = {name: getattr(project, f"quota_{name}") for name in _UNITS}
    return Quotas(**{name: getattr(defaults, f"quota_{name}") if value is None else value for name, value in own.items()})


async def check(tx: Tx, app: AppRow, before: Usage | None, defaults: Settings) -> None:
    """`409 quota_exceeded` when the app, which is flushed, is to have more than `before` and its project may not have that.

    What shrinks is always taken, also where a quota was lowered under what is there. Nothing else is locked after this.
    """
    after = of(app)
    grown = [name for name in _UNITS if before is None or getattr(after, name) > getattr(before, name)]
    if not grown:
        return
    may = allowed(await tx.session.get_one(ProjectRow, app.project_id), defaults)
    limited = [name for name in grown if getattr(may, name) is not None]
    if not limited:
        return
    if tx.connection.dialect.name == "postgresql":  # two apps that grow at once; SQLite has one writer anyway
        await tx.connection.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(app.project_id))))
    queries = dict(zip(_UNITS, used_in(app.project_id), strict=True))
    for name in limited:
        total = (await tx.connection.execute(queries[name])).scalar_one()
        used = total - getattr(after, name) + (getattr(before, name) if before else 0)
        if round(total, 3) > getattr(may, name):
            raise _exceeded(name, round(used, 3), getattr(may, name), round(total, 3))


def _exceeded(name: str, used: float, may: float, wanted: float) -> Problem:
    detail = f"The project uses {used:g} of the {may:g} {_UNITS[name]} that it may have; with this it would be {wanted:g}."
    if name != "apps":
        detail += " An app without a limit counts as all that the machine has."
    hint = f"Use {_SETTINGS[name]}, delete what is not needed, or have an admin raise the project's quota."
    return Problem("quota_exceeded", detail, hint=hint, quota=name, used=used, allowed=may, wanted=wanted)


def change(tx: Tx, project: ProjectRow, now: Quotas, body: QuotasUpdate, *, is_admin: bool) -> None:
    """Set quotas; one that comes back as it was read stays what it is, the project's own or the server's."""
    values = {name: getattr(body, name) for name in _UNITS if getattr(body, name) not in (msgspec.UNSET, getattr(now, name))}
    if not values:
        return
    if not is_admin:
        raise Problem("forbidden", "Only an admin may change quotas, with a token of scope admin.")
    for name, value in values.items():
        setattr(project, f"quota_{name}", value)
    tx.record("project.updated", f"Quotas set: {', '.join(values)}.", project_id=project.id, data={"quotas": values})
