"""From an app's row to what the runtime is told."""

import msgspec
from sqlalchemy import select

from libs.common import log
from libs.common.messages.api import Desired, Limits, Release
from libs.common.states import Intent
from services.api.apps import domains, front, processes, runs
from services.api.apps.models import AppRow
from services.api.autoscale import policy
from services.api.db.database import Database
from services.api.db.tx import Tx
from services.api.volumes.wish import wish_of

THAW = "unpause"
"""The lifecycle call during which what is paused is to go on."""

_release = msgspec.json.Decoder(Release)


def host(slug: str, base_domain: str) -> str:
    return f"{slug}-app.{base_domain}"


def make(app: AppRow, epoch: int, base_domain: str) -> Desired:
    carried, wish = log.outgoing(), wish_of(app)
    return Desired(
        app_id=app.id,
        project_id=app.project_id,
        slug=app.slug,
        hosts=(host(app.slug, base_domain), *domains.routed(app)),
        epoch=epoch,
        revision=app.revision,
        intent=Intent(app.intent),
        replicas=app.replicas,
        restart=app.restart,
        limits=Limits(cpu=app.cpu_limit, memory=app.memory_limit),
        processes=processes.in_use(app),
        autoscale=policy.told(app),
        dropped=app.dropped,
        thaw=app.op == THAW,
        copies=wish.copies,
        purge=wish.purge,
        current=_release.decode(app.current) if app.current else None,
        candidate=_release.decode(app.candidate) if app.candidate else None,
        runs=runs.open_runs(app) if app.intent != Intent.DELETED else (),
        front=front.told(app),
        actor=carried.get(log.HEADERS["actor"], ""),
        request_id=carried.get(log.HEADERS["request_id"], ""),
    )


def desire(tx: Tx, app: AppRow) -> None:
    """Count the change and tell the runtime. Call it last: it says what the row says now."""
    app.revision += 1
    tx.desire(make(app, tx.epoch, tx.base_domain))


async def rebuild(db: Database, app_id: str) -> Desired | None:
    """What the runtime is to be told of an app now, which the disk has; None when it is gone."""
    async with db.read() as session:
        app = (await session.execute(select(AppRow).where(AppRow.id == app_id))).scalar_one_or_none()
    await db.voice.settle()
    return make(app, db.epoch, db.base_domain) if app is not None and is_told(app) else None


def is_told(app: AppRow) -> bool:
    """Whether the runtime has something to do for it still: one that is gone may have left data that is to be destroyed."""
    return app.gone_at is None or bool(wish_of(app).purge)


async def everything(db: Database) -> list[Desired]:
    """What the runtime is to be told of all apps, which the disk has."""
    async with db.read() as session:
        told = select(AppRow).where(AppRow.gone_at.is_(None) | (AppRow.volumes != "{}")).order_by(AppRow.id)
        found = (await session.execute(told)).scalars().all()
    await db.voice.settle()
    return [make(app, db.epoch, db.base_domain) for app in found if is_told(app)]
