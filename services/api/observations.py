"""The sync: one batch of samples every 30 s becomes `cpu_usage`, `memory_usage`, `status_synced_at`, and status where it tells more."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from libs.common import subjects
from libs.common.messages.metrics import Observation, ReplicaSample
from libs.common.states import ReplicaState
from services.api.apps.models import AppRow, ReplicaRow
from services.api.apps.observed import apply
from services.api.apps.status import Replica, Seen
from services.api.db.database import Database
from services.api.db.tables import CursorRow
from services.api.disks.levels import Marks
from services.api.disks.watch import note

_decoder = msgspec.json.Decoder(Observation)
_seen = msgspec.json.Decoder(Seen)


async def observe(db: Database, body: bytes, marks: Marks) -> set[str]:
    """Take one observation; return the apps, which may be waited for."""
    observation = _decoder.decode(body)
    samples: dict[str, list[ReplicaSample]] = defaultdict(list)
    for sample in observation.samples:
        samples[sample.app_id].append(sample)
    async with db.begin() as tx:
        # Reactions lock several apps too, and they lock the cursor first: two orders would be a deadlock.
        await tx.connection.execute(select(CursorRow.seq).where(CursorRow.name == subjects.EVENTS).with_for_update())
        apps = (
            (await tx.session.execute(select(AppRow).where(AppRow.gone_at.is_(None)).order_by(AppRow.id).with_for_update())).scalars().all()
        )
        replicas: dict[str, list[Replica]] = defaultdict(list)
        for row in (await tx.session.execute(select(ReplicaRow))).scalars():
            replicas[row.app_id].append(Replica(name=row.name, release=row.release, state=row.state, at=row.at, message=row.message))
        for app in apps:
            _note(app, observation, samples[app.id])
            apply(tx, app, tuple(replicas[app.id]))
        await note(tx, observation, marks)
    return {app.id for app in apps}


def _note(app: AppRow, observation: Observation, samples: Sequence[ReplicaSample]) -> None:
    if app.seen and _is_later(_seen.decode(app.seen), observation):
        return
    seen = Seen(
        at=observation.at,
        engine_ok=observation.engine_ok,
        states={sample.replica: sample.state for sample in samples},
        memory={sample.replica: sample.memory_usage for sample in samples if sample.memory_usage is not None},
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
