"""A user's own key for the model's API: stored sealed, shown masked, opened by the runtime alone."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from libs.common import clock
from libs.common.secrets import MASK, Vault
from services.api.codex.models import CodexKeyRow
from services.api.codex.schemas import CodexKey
from services.api.db.database import Database
from services.api.db.locks import HELD
from services.api.db.tx import Tx
from services.api.http.problems import FieldError, Problem

_SHOWN = 4


async def get(db: Database, user_id: str) -> CodexKey:
    async with db.read() as session:
        row = await session.get(CodexKeyRow, user_id)
    return CodexKey() if row is None else _view(row)


async def put(tx: Tx, vault: Vault, user_id: str, key: str) -> CodexKey:
    if MASK[0] in key:
        raise Problem("masked_value", errors=[FieldError(pointer="/key", detail="is masked")])
    row = await tx.session.get(CodexKeyRow, user_id, with_for_update=HELD)
    if row is None:
        row = CodexKeyRow(user_id=user_id)
        tx.session.add(row)
    row.sealed, row.ends_with, row.updated_at = vault.seal(key), key[-_SHOWN:], clock.now()
    try:
        await tx.session.flush()
    except IntegrityError as error:
        raise Problem("conflict", "Another request stored a first key meanwhile.") from error
    tx.audit("codex_key.stored", user_id, detail=f"…{row.ends_with}")
    return _view(row)


async def delete(tx: Tx, user_id: str) -> None:
    """None there is fine. Sessions that have it go on until they end."""
    row = await tx.session.get(CodexKeyRow, user_id, with_for_update=HELD)
    if row is not None:
        await tx.session.delete(row)
        tx.audit("codex_key.removed", user_id)


async def sealed_of(db: Database, user_id: str) -> str:
    """`409 codex_key_missing`."""
    async with db.connect() as connection:
        found: str | None = (
            await connection.execute(select(CodexKeyRow.sealed).where(CodexKeyRow.user_id == user_id))
        ).scalar_one_or_none()
    if found is None:
        raise Problem("codex_key_missing")
    return found


def _view(row: CodexKeyRow) -> CodexKey:
    return CodexKey(key=MASK, ends_with=row.ends_with, updated_at=row.updated_at)
