"""A delivery that is signed: judged, kept, and what follows from it done, in one transaction. Nothing here asks the network."""

from typing import cast

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from libs.common import clock, ids
from libs.common.states import Intent
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.deployments import service as deployments
from services.api.deployments.source import Asked
from services.api.http.problems import Problem
from services.api.previews import service as previews
from services.api.webhooks import verdicts
from services.api.webhooks.events import Other, PullRequest, Push, Said
from services.api.webhooks.models import DeliveryKeyRow, DeliveryRow
from services.api.webhooks.schemas import Delivery
from services.api.webhooks.verdicts import DEPLOYED
from services.api.webhooks.wanted import wanted_of

_KEEP = insert(DeliveryRow)
_LONGEST_PATHS = 256 * 1024
"""Bytes of file names that are kept with a delivery; beyond that it is kept without them."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed delivery says. `delivery` is the host's id of it, `redelivery_of` ours where a person has it judged again."""

    provider: str
    delivery: str
    event: str
    said: Said
    redelivery_of: str | None = None


async def receive(core: Core, app_id: str, signed: Signed) -> Delivery:
    """Judge it for one app. The same delivery again is a `duplicate of` the first, for ever."""
    async with core.db.begin() as tx:
        return await receive_in(core, tx, app_id, signed)


async def receive_in(core: Core, tx: Tx, app_id: str, signed: Signed) -> Delivery:
    """As `receive`, in a transaction that is there."""
    row_id = ids.new("dlv")
    first = None if signed.redelivery_of else await _claim(tx, f"{app_id}:{signed.provider}:{signed.delivery}", row_id)
    deployment_id = None
    if first is not None:
        verdict = f"duplicate of {first}"
    else:
        verdict, deployment_id = await _act(core, tx, app_id, signed)
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
        "payload": None if first else _kept(signed.said),
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
    query = select(AppRow).where(AppRow.id == app_id, AppRow.gone_at.is_(None)).with_for_update()
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
