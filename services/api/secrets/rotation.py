"""Putting what stands under an old key under the first, in small transactions: what was done stays done, whenever it ends."""

from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import Row, select, tuple_, update

from libs.common.messages.api import Release
from libs.common.secrets import Vault
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.apps.source import Source, configured, decode, encode
from services.api.apps.view import fingerprint
from services.api.db.database import Database
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.deployments.models import ReleaseRow
from services.api.secrets.stored import COLUMNS, Columns, pages

_APPS = 20
_release = msgspec.json.Decoder(Release)


async def rotate(db: Database, vault: Vault) -> int:
    """How many values were put under the first key. What no key opens is left."""
    values = 0
    for key, column in COLUMNS:
        async for rows in pages(db, select(*key, column).where(column.is_not(None)), key):
            values += await _rotate_column(db, vault, key, column, rows)
    async for rows in pages(db, select(AppRow.id), (AppRow.id,)):
        ids = [row.id for row in rows]
        for start in range(0, len(ids), _APPS):
            values += await _rotate_apps(db, vault, ids[start : start + _APPS])
    return values


async def _rotate_column(db: Database, vault: Vault, key: Columns, column: Any, rows: list[Row[Any]]) -> int:  # noqa: ANN401 - any column
    old: dict[str, tuple[Any, ...]] = {row[-1]: tuple(row[:-1]) for row in rows if vault.key_of(row[-1])}
    if not old:
        return 0
    async with db.begin() as tx:
        for token, of in old.items():
            # Only while it is what was read: an answer may have been purged and made anew.
            where = (tuple_(*key) == of, column == token)
            await tx.connection.execute(update(column.class_).where(*where).values({column.key: vault.reseal(token)}))
    return len(old)


async def _rotate_apps(db: Database, vault: Vault, ids: list[str]) -> int:
    values = 0
    async with db.begin() as tx:
        apps = (await tx.session.execute(held(select(AppRow).where(AppRow.id.in_(ids)).order_by(AppRow.id)))).scalars().all()
        releases: dict[str, list[ReleaseRow]] = defaultdict(list)
        for release in (await tx.session.execute(select(ReleaseRow).where(ReleaseRow.app_id.in_(ids)))).scalars():
            releases[release.app_id].append(release)
        for app in apps:
            values += _rotate_app(tx, _Fresh(vault), app, releases[app.id])
    return values


class _Fresh:
    """New tokens for old ones: the same for the same, for an app whose environment is its release's has no change pending."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._known: dict[str, str] = {}
        self._prints: dict[str, str] = {}
        self.values = 0

    def token(self, old: str) -> str:
        if old not in self._known:
            self._known[old] = self._vault.reseal(old)
        self.values += self._known[old] != old
        return self._known[old]

    def note(self, image: str | None, settings: str, env: str, source: Source | None) -> None:
        """Fingerprints are made from tokens too; an app that is built may have deployed an image all the same."""
        again = self._known.get(env) or self._vault.reseal(env)
        self._known[env] = again
        for text in {"", encode(source.lasting if source else None)}:
            self._prints[fingerprint(image, settings, env, text)] = fingerprint(image, settings, again, text)

    def fingerprint(self, old: str) -> str:
        return self._prints.get(old, old)

    def release(self, text: str) -> str:
        release = _release.decode(text)
        fresh = msgspec.structs.replace(release, env=self.token(release.env), shared=self.token(release.shared) if release.shared else "")
        return text if fresh == release else msgspec.json.encode(fresh).decode()


def _rotate_app(tx: Tx, fresh: _Fresh, app: AppRow, releases: list[ReleaseRow]) -> int:
    fresh.note(app.image, app.settings, app.env, configured(app))
    for release in releases:
        fresh.note(release.image, release.settings, release.env, decode(release.source))
    for release in releases:
        release.env, release.fingerprint = fresh.token(release.env), fresh.fingerprint(release.fingerprint)
    app.env, app.fingerprint = fresh.token(app.env), fresh.fingerprint(app.fingerprint)
    if app.current_fingerprint is not None:
        app.current_fingerprint = fresh.fingerprint(app.current_fingerprint)
    told = app.current, app.candidate, app.basic_auth
    app.basic_auth = fresh.token(app.basic_auth) if app.basic_auth else None
    app.current = fresh.release(app.current) if app.current else app.current
    app.candidate = fresh.release(app.candidate) if app.candidate else app.candidate
    if told != (app.current, app.candidate, app.basic_auth) and app.gone_at is None:
        desire(tx, app)
    return fresh.values
