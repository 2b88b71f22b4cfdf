"""An app for each pull request: made, deployed anew at every push, and removed at its end. Inside the delivery's transaction.

A branch that a coding session pushed gets one too, when the session was asked to.
"""

import hashlib
import time

from sqlalchemy import select

from libs.common import clock
from libs.common.secrets import Vault
from services.api.apps import service as apps
from services.api.apps.models import AppRow
from services.api.apps.settings import merge_env
from services.api.apps.untouched import new_row
from services.api.apps.view import fingerprint_of
from services.api.core import Core
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.deployments import service as deployments
from services.api.deployments.source import Asked
from services.api.http.problems import Problem
from services.api.previews import settings
from services.api.previews.models import PreviewRow
from services.api.volumes import mounts
from services.api.webhooks.events import PullRequest
from services.api.webhooks.verdicts import DEPLOYED, of_pull_request, same_repo
from services.api.webhooks.wanted import wanted_of

_LONGEST_SLUG = 48
_HASH_DIGITS = 8
_HOUR = 3600.0
_LONGEST_NAME = 100
_COPIED = (
    "image",
    "settings",
    "env",
    "env_keys",
    "git_provider",
    "git_repo_url",
    "git_user_id",
    "git_user_repo",
    "git_connection_id",
    "root_directory",
    "dockerfile_path",
    "watch_paths",
    "registry_id",
    "build",
    "cpu_limit",
    "memory_limit",
    "processes",
)


def slug_of(slug: str, number: int) -> str:
    """`{slug}-pr-{n}`; where that is too long the slug is cut, with a hash of the whole of it."""
    return _ending(slug, f"-pr-{number}")


def _ending(slug: str, end: str) -> str:
    if len(slug) + len(end) <= _LONGEST_SLUG:
        return slug + end
    mark = hashlib.sha256(slug.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{slug[: _LONGEST_SLUG - len(end) - len(mark) - 1].rstrip('-')}-{mark}{end}"


async def react(core: Core, tx: Tx, parent: AppRow, pull: PullRequest) -> tuple[str, str | None]:
    """Do what follows from news of a pull request: the verdict, and the preview's deployment."""
    if pull.action == "closed" and same_repo(parent.git_repo_url or "", pull.repo):
        return await _close(tx, parent, pull.number), None
    why = of_pull_request(await wanted_of(tx, parent), pull)
    if why is not None:
        return why, None
    parent_id = parent.id
    try:
        async with tx.attempt():
            app = await _find(tx, parent_id, pull.number)
            app = app or await _make(core, tx, parent, slug_of(parent.slug, pull.number), word=f"PR {pull.number}", number=pull.number)
            deployment_id = await _deploy(core, tx, parent, app, pull)
    except Problem as problem:
        return f"refused: {problem.detail}", None
    return DEPLOYED, deployment_id


async def of_branch(core: Core, tx: Tx, parent: AppRow, branch: str, *, commit: str, actor: str) -> tuple[AppRow, str]:
    """Deploy a commit of a session's branch as the preview that the branch has: the app, and the deployment's id. A `Problem` if not."""
    query = select(AppRow).join(PreviewRow, PreviewRow.app_id == AppRow.id)
    query = query.where(AppRow.preview_of == parent.id, PreviewRow.branch == branch, AppRow.gone_at.is_(None))
    app = (await tx.session.execute(held(query, AppRow))).scalar_one_or_none()
    if app is None:
        word = branch.rpartition("/")[2]
        app = await _make(core, tx, parent, _ending(parent.slug, f"-{word}"), word=word)
    row = await _refresh(core, tx, parent, app, head=branch, branch=branch, repo=parent.git_repo_url or "")
    row.done = True  # no pull request is there to be told
    asked = Asked(ref=branch, commit=commit, trigger="preview")
    return app, (await deployments.deploy(tx, app, actor, core.settings, source=asked)).id


async def _find(tx: Tx, parent_id: str, number: int) -> AppRow | None:
    query = select(AppRow).where(AppRow.preview_of == parent_id, AppRow.preview_number == number, AppRow.gone_at.is_(None))
    return (await tx.session.execute(held(query))).scalar_one_or_none()


async def _make(core: Core, tx: Tx, parent: AppRow, slug: str, *, word: str, number: int | None = None) -> AppRow:
    app = new_row(core.vault, parent.project_id, slug, f"{parent.name[: _LONGEST_NAME - 20]} ({word})")
    for name in _COPIED:
        setattr(app, name, getattr(parent, name))
    app.image, app.auto_deploy, app.replicas = None, False, 1
    mounts.put(app, ())  # its parent's data is not for somebody's branch to write
    app.preview_of, app.preview_number = parent.id, number
    await apps.enter(tx, app, core.settings)
    return app


async def _deploy(core: Core, tx: Tx, parent: AppRow, app: AppRow, pull: PullRequest) -> str:
    await _refresh(core, tx, parent, app, head=pull.head, number=pull.number, repo=pull.repo)
    # A fork's branch is not in this repository; its commit is, under the pull request's own name.
    ref = f"refs/pull/{pull.number}/head" if pull.is_fork else pull.head
    asked = Asked(ref=ref, commit=pull.commit, message=pull.title[:500], trigger="preview")
    return (await deployments.deploy(tx, app, f"github:{pull.sender}", core.settings, source=asked)).id


async def _refresh(
    core: Core, tx: Tx, parent: AppRow, app: AppRow, *, head: str, repo: str, number: int = 0, branch: str | None = None
) -> PreviewRow:
    """What the parent is set to now counts, not what it was when the preview was made."""
    if app.intent == "deleted":
        raise Problem("app_deleting", f"{app.slug} is still being removed; have the delivery judged again when it is gone.")
    _set_env(app, parent, core.vault)
    app.git_branch, app.git_connection_id = head, parent.git_connection_id
    app.fingerprint = fingerprint_of(app)
    app.updated_at = clock.now()
    row = await tx.session.get(PreviewRow, app.id)
    if row is None:
        row = PreviewRow(app_id=app.id, parent_id=parent.id, number=number, branch=branch, repo=repo, told="")
        tx.session.add(row)
    row.expires_at = time.time() + settings.of(parent).ttl_hours * _HOUR
    row.done, row.next_at, row.attempts, row.why_removed = False, 0.0, 0, None
    await tx.flush()
    return row


def _set_env(app: AppRow, parent: AppRow, vault: Vault) -> None:
    wanted: dict[str, str | None] = {**vault.open(parent.env, dict[str, str]), **settings.env_of(parent, vault)}
    gone = vault.open(app.env, dict[str, str]).keys() - wanted.keys()
    merge_env(app, {**wanted, **dict.fromkeys(gone)}, vault)


async def _close(tx: Tx, parent: AppRow, number: int) -> str:
    app = await _find(tx, parent.id, number)
    if app is None:
        return f"ignored: pull request {number} has no preview"
    await remove(tx, app, "the pull request is closed")
    return f"removed: the preview {app.slug}"


async def remove(tx: Tx, app: AppRow, why: str) -> None:
    """Begin to take a preview away; its comment says so."""
    row = await tx.session.get(PreviewRow, app.id)
    if row is not None and row.why_removed is None:
        row.why_removed, row.next_at, row.done = why, 0.0, row.branch is not None
    await apps.remove(tx, app)
