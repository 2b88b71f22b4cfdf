"""Who may enter an app, and what the audit says of it."""

import contextlib
from collections.abc import AsyncIterator

import msgspec

from libs.common.bus import BusAway, NoAnswer
from libs.common.live.dial import Call, NotOpened, dial
from libs.common.messages.sessions import Behind
from libs.common.states import Intent
from services.api.apps.lookup import to_read
from services.api.apps.models import AppRow
from services.api.audit.caller import CALLER
from services.api.core import Core
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.secrets import commands


async def enter(core: Core, principal: Principal, ref: str) -> AppRow:
    """The app, for who may write in its project: `404`, `403 forbidden`, `409 app_deleting`."""
    async with core.db.read() as session:
        app, having = await to_read(session, principal, ref)
    having.need("write")
    if app.intent == Intent.DELETED:
        raise Problem("app_deleting", f"{app.slug} is being deleted.")
    return app


@contextlib.asynccontextmanager
async def session(core: Core, app: AppRow, kind: str, request: msgspec.Struct, what: str = "") -> AsyncIterator[Call]:
    """A session of that kind on the app, until the end of the block. A `Problem` when the runtime refuses, or is silent.

    The audit has a line before the client is let in, and, from the runtime's word, one when all is over: whoever is killed meanwhile.
    """
    try:
        by = _behind(app, what)
        async with dial(core.bus, kind, app.id, request, by=by) as call:
            await note(core, app, f"{kind}.started", by.words(call.replica))
            yield call
    except NotOpened as error:
        raise Problem(error.code, str(error)) from error
    except (NoAnswer, BusAway) as error:
        detail = "The runtime, which holds the app's containers, does not answer now; the app is not affected."
        raise Problem("runtime_unavailable", detail, headers={"Retry-After": "2"}) from error


async def told(core: Core, app: AppRow, command: tuple[str, ...]) -> str:
    """The command as the audit may keep it."""
    async with core.db.read() as session:
        return await commands.told(session, core.vault, app, command)


async def note(core: Core, app: AppRow, action: str, detail: str) -> None:
    async with core.db.begin() as tx:
        tx.audit(action, app.id, project_id=app.project_id, detail=detail)


def _behind(app: AppRow, what: str) -> Behind:
    who = CALLER.get()
    if who is None:
        raise RuntimeError("nobody stands behind the session")
    caller = who()
    return Behind(
        project_id=app.project_id,
        what=what,
        actor=caller.actor,
        address=caller.address,
        request_id=caller.request_id,
        user_id=caller.user_id,
        key_id=caller.key_id,
        session_id=caller.session_id,
    )
