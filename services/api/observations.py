"""The sync: one batch of samples every 30 s becomes `cpu_usage`, `memory_usage`, `status_synced_at`, and status where it tells more."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from libs.common import subjects
from libs.common.messages.api import WEB
from libs.common.messages.metrics import Observation, ReplicaSample
from libs.common.states import ReplicaState
from services.api.apps.models import AppRow, ReplicaRow
from services.api.apps.observed import apply
from services.api.apps.status import Replica, Seen
from services.api.db.database import Database
from services.api.db.locks import held
from services.api.db.tables import CursorRow
from services.api.disks.levels import Marks
from services.api.disks.watch import note
from services.api.volumes.sizes import note_sizes

_decoder = msgspec.json.Decoder(Observation)
_seen = msgspec.json.Decoder(Seen)


async def observe(db: Database, body: bytes, marks: Marks) -> set[str]:
    """Take one observation, or one part of it; return the apps that it tells of, which may be waited for."""
    observation = _decoder.decode(body)
    samples: dict[str, list[ReplicaSample]] = defaultdict(list)
    for sample in observation.samples:
        samples[sample.app_id].append(sample)
    async with db.begin() as tx:
        # Reactions lock several apps too, and they lock the cursor first: two orders would be a deadlock.
        await tx.connection.execute(held(select(CursorRow.seq).where(CursorRow.name == subjects.EVENTS)))
        told = select(AppRow).where(AppRow.gone_at.is_(None), *_tells_of(observation, AppRow.id))
        apps = (await tx.session.execute(held(told.order_by(AppRow.id)))).scalars().all()
        replicas: dict[str, list[Replica]] = defaultdict(list)
        for row in (await tx.session.execute(select(ReplicaRow).where(*_tells_of(observation, ReplicaRow.app_id)))).scalars():
            known = Replica(name=row.name, release=row.release, state=row.state, at=row.at, message=row.message, process=row.process)
            replicas[row.app_id].append(known)
        for app in apps:
            _note(app, observation, samples[app.id])
            apply(tx, app, tuple(replicas[app.id]))
        await note(tx, observation, marks)
        await note_sizes(tx, observation)
    return {app.id for app in apps}


def _tells_of(observation: Observation, app_id: InstrumentedAttribute[str]) -> list[ColumnElement[bool]]:
    """Ids of ours sort alike in every collation: the same prefix, then digits before small letters."""
    bounds = [app_id > observation.after] if observation.after else []
    return bounds + ([app_id <= observation.until] if observation.until else [])


def _note(app: AppRow, observation: Observation, samples: Sequence[ReplicaSample]) -> None:
    if app.seen and _is_later(_seen.decode(app.seen), observation):
        return
    used = [(sample, sample.memory_usage) for sample in samples if sample.memory_usage is not None]
    beside: dict[str, float] = {}
    for sample, megabytes in used:
        if sample.process != WEB:
            beside[sample.process] = max(beside.get(sample.process, 0.0), megabytes)
    seen = Seen(
        at=observation.at,
        engine_ok=observation.engine_ok,
        states={sample.replica: sample.state for sample in samples},
        memory={sample.replica: megabytes for sample, megabytes in used if sample.process == WEB},
        beside=beside,
        source=observation.source,
        number=observation.number,
    )
    app.seen = msgspec.json.encode(seen).decode()
    if not observation.engine_ok:
        return  # what was known goes stale by itself
    running = [sample for sample in samples if sample.state is ReplicaState.RUNNING]
    app.synced_at = observation.at
    app.cpu_usage = _sum([sample.cpu_usage for sample in running], 2)
    app.memory_usage = _sum([sample.memory_usage for sample in running], 1)


def _is_later(seen: Seen, observation: Observation) -> bool:
    """Several instances of the API take observations, and one may be overtaken. The number decides, for clocks jump."""
    return seen.source == observation.source and seen.number > observation.number


def _sum(values: Sequence[float | None], digits: int) -> float | None:
    """The sum of what is known. Nothing runs: 0. Nothing is known yet: None."""
    known = [value for value in values if value is not None]
    return round(sum(known), digits) if known or not values else None
