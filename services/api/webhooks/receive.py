"""A delivery that is signed: kept, and then judged, with its verdict and what follows from it in one transaction.

Nothing here asks the network.
"""

from typing import cast

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from libs.common import clock, ids
from libs.common.states import Intent
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.deployments import service as deployments
from services.api.deployments.source import Asked
from services.api.http.problems import Problem
from services.api.previews import service as previews
from services.api.webhooks import verdicts
from services.api.webhooks.events import Other, PullRequest, Push, Said, decoder
from services.api.webhooks.models import DeliveryKeyRow, DeliveryRow
from services.api.webhooks.schemas import Delivery
from services.api.webhooks.verdicts import DEPLOYED
from services.api.webhooks.wanted import wanted_of

_KEEP = insert(DeliveryRow)
RECEIVED = "received"
"""The verdict of one that is still to be judged."""
_LONGEST_PATHS = 256 * 1024
"""Bytes of file names that are kept with a delivery; beyond that it is kept without them."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed delivery says. `delivery` is the host's id of it, `redelivery_of` ours where a person has it judged again."""

    provider: str
    delivery: str
    event: str
    said: Said
    redelivery_of: str | None = None


async def accept(tx: Tx, app_id: str, signed: Signed) -> Delivery:
    """Keep it, to be judged; the same delivery again is a `duplicate of` the first, for ever."""
    row_id = ids.new("dlv")
    first = await _claim(tx, f"{app_id}:{signed.provider}:{signed.delivery}", row_id)
    return await _keep(tx, row_id, app_id, signed, f"duplicate of {first}" if first else RECEIVED)


async def judge(core: Core, tx: Tx, row_id: str) -> Delivery | None:
    """Do what follows from a delivery that was kept, and write its verdict down. None for one that another process has judged."""
    query = held(select(DeliveryRow).where(DeliveryRow.id == row_id, DeliveryRow.verdict == RECEIVED))
    row = (await tx.connection.execute(query)).one_or_none()
    if row is None:
        return None
    signed = Signed(provider=row.provider, delivery=row.delivery, event=row.event, said=decoder.decode(row.payload))
    verdict, deployment_id = await _act(core, tx, row.app_id, signed)
    values = {"verdict": verdict, "deployment_id": deployment_id}
    await tx.connection.execute(update(DeliveryRow).where(DeliveryRow.id == row_id).values(**values))
    return Delivery(**{name: values.get(name, getattr(row, name)) for name in Delivery.__struct_fields__})


async def again(core: Core, tx: Tx, app_id: str, signed: Signed) -> Delivery:
    """Judge one that was kept once more: a delivery of its own."""
    verdict, deployment_id = await _act(core, tx, app_id, signed)
    return await _keep(tx, ids.new("dlv"), app_id, signed, verdict, deployment_id)


async def _keep(tx: Tx, row_id: str, app_id: str, signed: Signed, verdict: str, deployment_id: str | None = None) -> Delivery:  # noqa: PLR0917 - a row
    values = {
        "id": row_id,
        "app_id": app_id,
        "provider": signed.provider,
        "delivery": signed.delivery,
        "event": signed.event,
        "verdict": verdict,
        "rejected": False,
        "received_at": clock.now(),
        "deployment_id": deployment_id,
        "redelivery_of": signed.redelivery_of,
        "payload": None if verdict.startswith("duplicate") else _kept(signed.said),
    }
    await tx.connection.execute(_KEEP, values)
    return Delivery(**{name: cast("str", values[name]) for name in Delivery.__struct_fields__})


async def _claim(tx: Tx, key: str, row_id: str) -> str | None:
    """Take the delivery, for good; or the id of the one that it is the same as."""
    new = postgresql_insert if tx.connection.dialect.name == "postgresql" else sqlite_insert
    values = {"key": key, "delivery_id": row_id}
    if (await tx.connection.execute(new(DeliveryKeyRow).values(values).on_conflict_do_nothing())).rowcount == 1:
        return None
    return (await tx.connection.execute(select(DeliveryKeyRow.delivery_id).where(DeliveryKeyRow.key == key))).scalar_one()


async def _act(core: Core, tx: Tx, app_id: str, signed: Signed) -> tuple[str, str | None]:
    """Do what follows; the verdict, and the deployment where there is one."""
    query = held(select(AppRow).where(AppRow.id == app_id, AppRow.gone_at.is_(None)))
    app = (await tx.session.execute(query)).scalar_one_or_none()
    if app is None or app.intent == Intent.DELETED:
        return "ignored: the app is being deleted", None
    said = signed.said
    if isinstance(said, Other):
        return f"ignored: nothing follows from {said.event or 'it'}", None
    if isinstance(said, PullRequest):
        verdict, deployment_id = await previews.react(core, tx, app, said)
    else:
        verdict, deployment_id = await _deploy(core, tx, app, said, again=signed.redelivery_of is not None)
    data: dict[str, object] = {"event": signed.event, "delivery": signed.delivery, "verdict": verdict}
    message = f"A webhook said {signed.event}: {verdict}."
    tx.record("webhook.received", message, app_id=app_id, project_id=app.project_id, deployment_id=deployment_id, data=data)
    return verdict, deployment_id


async def _deploy(core: Core, tx: Tx, app: AppRow, push: Push, *, again: bool) -> tuple[str, str | None]:
    why = verdicts.of_push(await wanted_of(tx, app, with_last=True), push, again=again)
    if why is not None:
        return why, None
    subject = push.message.partition("\n")[0][:500]
    asked = Asked(ref=push.ref.split("/", 2)[2], commit=push.after, message=subject or None, trigger="webhook")
    app_id = app.id
    try:
        async with tx.attempt():
            made = await deployments.deploy(tx, app, f"{app.git_provider}:{push.sender}", core.settings, source=asked)
    except Problem as problem:
        return f"refused: {problem.detail}", None
    core.wakes.wake({app_id})
    return DEPLOYED, made.id


def _kept(said: Said) -> str:
    if isinstance(said, Push) and said.paths and sum(map(len, said.paths)) > _LONGEST_PATHS:
        said = msgspec.structs.replace(said, paths=None)
    return msgspec.json.encode(said).decode()
