"""`Idempotency-Key`: a POST that is sent again gets the first answer again, and its effect happens once.

The claim of the key, the effect and the stored answer are one transaction. An effect that raises leaves no claim.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from services.api.core import Core
from services.api.db.tables import IdempotencyRow
from services.api.db.tx import Tx
from services.api.http.principal import Principal
from services.api.http.problems import Problem, invalid
from services.api.purge import KEPT_ANSWERS

KEPT_SECONDS = KEPT_ANSWERS.total_seconds()
_LONGEST = 255
_NOT_PART = {"wait"}
"""Query parameters that do not make it another request: a retry may wait longer."""


class Answer(msgspec.Struct, kw_only=True):
    """A finished answer. `follow` is the deployment or app whose end a `wait` is for. `replayed`: it is the first one again."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    follow: str | None = None
    replayed: bool = False


Effect = Callable[[Tx], Awaitable[Answer]]


async def once(core: Core, request: Request[Any, Any, Any], principal: Principal, effect: Effect, body: bytes | None = None) -> Answer:
    """Run `effect` in a write transaction, at most once for each `Idempotency-Key` of `principal` in 24 hours.

    `body` is what stands for the body where the route read it by itself. Each API key has its own
    `Idempotency-Key`s; the logins of a user share theirs.

    `422 idempotency_key_reused` when the key came with another method, path, query or body before.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        async with core.db.begin() as tx:
            return await effect(tx)
    if not 1 <= len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise invalid("/Idempotency-Key", f"takes 1 to {_LONGEST} printable ASCII characters")
    fingerprint = await _fingerprint(request, body)
    who = principal.key_id or principal.user_id  # an answer may hold what another key of the same user must not see
    async with core.db.begin() as tx:
        first = await _claim(core, tx, who, key, fingerprint)
        if first is not None:
            return first
        answer = await effect(tx)
        sealed = core.vault.seal(answer)
        where = (IdempotencyRow.principal == who, IdempotencyRow.key == key)
        await tx.flush()
        await tx.connection.execute(update(IdempotencyRow).where(*where).values(answer=sealed))
        return answer


class _Unheard(Exception):
    pass


async def replay(core: Core, request: Request[Any, Any, Any], principal: Principal, body: bytes | None = None) -> Answer | None:
    """The first answer, for what is long work ahead of `once`; None when there is none yet. Raises as `once` does."""
    if "idempotency-key" not in request.headers:
        return None

    async def unheard(_tx: Tx) -> Answer:
        raise _Unheard

    try:
        return await once(core, request, principal, unheard, body)
    except _Unheard:
        return None


async def _claim(core: Core, tx: Tx, who: str, key: str, fingerprint: str) -> Answer | None:
    """Take the key; or return the first answer. On PostgreSQL this waits for a first request that still runs."""
    now = time.time()
    where = (IdempotencyRow.principal == who, IdempotencyRow.key == key)
    await tx.connection.execute(delete(IdempotencyRow).where(*where, IdempotencyRow.created_at < now - KEPT_SECONDS))
    insert = postgresql_insert if tx.connection.dialect.name == "postgresql" else sqlite_insert
    values = {"principal": who, "key": key, "request": fingerprint, "created_at": now}
    claimed = await tx.connection.execute(insert(IdempotencyRow).values(values).on_conflict_do_nothing())
    if claimed.rowcount == 1:
        return None
    row = (await tx.connection.execute(select(IdempotencyRow.request, IdempotencyRow.answer).where(*where))).one()
    if row.request != fingerprint:
        raise Problem("idempotency_key_reused")
    answer = core.vault.open(row.answer, Answer)
    answer.replayed = True
    return answer


async def _fingerprint(request: Request[Any, Any, Any], body: bytes | None) -> str:
    query = sorted((name, value) for name, value in request.query_params.multi_items() if name not in _NOT_PART)
    content = await request.body() if body is None else body
    parts = [request.method.encode(), request.url.path.encode(), msgspec.json.encode(query), content]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
