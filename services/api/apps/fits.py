"""Whether what is asked of an app that runs fits what it uses now."""

import math

import msgspec

from libs.common.states import Intent
from services.api.apps.models import AppRow
from services.api.apps.status import Seen
from services.api.http.problems import FieldError, Problem

_seen = msgspec.json.Decoder(Seen)
_UP = {Intent.RUNNING.value, Intent.PAUSED.value}


def check_fits(app: AppRow, before: int | None) -> None:
    """`409 memory_in_use` when a lower `memory_limit` is under what a replica used at the last sync: it would be killed for it."""
    wanted = app.memory_limit
    if wanted is None or app.current is None or app.intent not in _UP or (before is not None and wanted >= before) or not app.seen:
        return
    in_use = max(_seen.decode(app.seen).memory.values(), default=0.0)
    if wanted >= in_use:
        return
    detail = f"A replica of {app.slug} uses {in_use:g} MB; a limit of {wanted} MB would have it killed."
    hint = f"Set memory_limit to {math.ceil(in_use)} or more, or have the app use less first."
    errors = [FieldError(pointer="/memory_limit", detail=f"is under the {in_use:g} MB in use")]
    raise Problem("memory_in_use", detail, hint=hint, errors=errors, memory_usage=in_use, memory_limit=wanted)
