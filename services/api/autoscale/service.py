"""What happens to an app's policy. Each function is the inside of one transaction."""

from typing import Literal, cast

import msgspec

from libs.common import clock, scaling
from services.api.apps import fits
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.autoscale import policy, rules
from services.api.autoscale.policy import Kept
from services.api.autoscale.schemas import UNSET, AutoscaleSettings, AutoscaleUpdate, Autoscaling, Decided
from services.api.db.tx import Tx
from services.api.http import matching
from services.api.http.problems import FieldError, Problem
from services.api.settings import Settings
from services.api.volumes.mounts import check_one_writer

_OWN = tuple(field.name for field in msgspec.structs.fields(AutoscaleSettings))
_READ_ONLY = tuple(field.name for field in msgspec.structs.fields(AutoscaleUpdate) if field.name not in _OWN)


def to_view(app: AppRow, now: float) -> Autoscaling:
    """`now` is Unix time."""
    kept = policy.of(app)
    last = policy.decided(app) if kept.enabled else None
    return Autoscaling(
        enabled=kept.enabled,
        **{name: getattr(kept.policy, name) for name in _OWN if name != "enabled"},
        replicas=app.replicas,
        current_replicas=app.current_replicas,
        held_until=kept.policy.held_until if kept.enabled and scaling.is_held(kept.policy, now) else None,
        decided=Decided(replicas=last.replicas, at=last.at, by=cast("Literal['metrics', 'router']", last.by), reason=last.reason)
        if last
        else None,
    )


def etag(app: AppRow) -> str:
    """Of the policy alone: what load decides does not change it."""
    kept = policy.of(app)
    return matching.etag([_value(kept, name) for name in _OWN])


async def update(tx: Tx, app: AppRow, body: AutoscaleUpdate, installation: Settings, now: float) -> None:
    """Merge `body` into the policy. `400` for one that makes no sense, `409` for more than machine or project can hold."""
    check_read_only(body, to_view(app, now))
    before, claim = policy.of(app), fits.claim(app)
    after = merged(before, body)
    if after == before:
        return
    rules.check(app, after)
    if after.enabled and not before.enabled:
        after = Kept(enabled=True, policy=policy.begun(app, after.policy))
    policy.keep(app, after)
    app.updated_at = clock.now()
    check_one_writer(app)
    await fits.admit(tx, app, claim, installation)
    changed = [name for name in _OWN if _value(before, name) != _value(after, name)]
    data: dict[str, object] = {"changed": changed, **{name: _value(after, name) for name in _OWN}}
    message = f"Autoscaling is {'on' if after.enabled else 'off'}. Changed: {', '.join(changed)}."
    tx.record("autoscale.updated", message, app_id=app.id, project_id=app.project_id, data=data)
    desire(tx, app)


def merged(before: Kept, body: AutoscaleSettings) -> Kept:
    sent = {name: value for name in _OWN if (value := getattr(body, name)) is not UNSET}
    enabled = bool(sent.pop("enabled", before.enabled))
    return Kept(enabled=enabled, policy=msgspec.structs.replace(before.policy, **sent))


def check_read_only(body: AutoscaleUpdate, view: Autoscaling) -> None:
    """`400 read_only_field`. All of them move by themselves: in a whole resource that comes back they may be older."""
    if all(getattr(body, name) is not UNSET for name in (*_OWN, *_READ_ONLY)) and body.replicas == view.replicas:
        return
    wrong = [name for name in _READ_ONLY if getattr(body, name) not in (UNSET, getattr(view, name))]
    if wrong:
        errors = [FieldError(pointer=f"/{name}", detail="is read-only here; PUT /apps/{app} has replicas") for name in wrong]
        raise Problem("read_only_field", f"{', '.join(wrong)}: read-only.", errors=errors)


def _value(kept: Kept, name: str) -> object:
    return kept.enabled if name == "enabled" else getattr(kept.policy, name)
