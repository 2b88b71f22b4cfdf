"""Finding what a delivery is about, and what people read of webhooks and deliveries."""

import msgspec
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.apps.lookup import ID_PREFIX
from services.api.apps.models import AppRow
from services.api.core import Core
from services.api.db.tx import Tx
from services.api.git import connecting
from services.api.git.connections import GITHUB
from services.api.http.problems import Problem, not_found
from services.api.webhooks.events import Came, decoder
from services.api.webhooks.models import DeliveryRow, WebhookRow
from services.api.webhooks.providers import PROVIDERS
from services.api.webhooks.receive import Signed
from services.api.webhooks.schemas import Delivery, DeliveryPage, Webhook

_NAMES = Delivery.__struct_fields__
_COLUMNS = tuple(getattr(DeliveryRow, name) for name in _NAMES)
_LONGEST_WORD = 100


class Headed(msgspec.Struct, frozen=True, kw_only=True):
    """What the headers of a delivery say; `delivery` is empty where the host gives none."""

    delivery: str
    event: str


def headed(came: Came) -> Headed:
    provider = PROVIDERS[came.provider]
    delivery = came.headers.get(provider.delivery_header, "")[:_LONGEST_WORD]
    return Headed(delivery=delivery, event=came.headers.get(provider.event_header, "")[:40])


async def app_and_secret(core: Core, ref: str) -> tuple[str, str]:
    """The id of an app that is named in a webhook's address, and the secret that its deliveries are signed with; empty for none."""
    by = AppRow.id if ref.startswith(ID_PREFIX) else AppRow.slug
    query = (
        select(AppRow.id, WebhookRow.secret)
        .outerjoin(WebhookRow, WebhookRow.app_id == AppRow.id)
        .where(by == ref, AppRow.gone_at.is_(None))
    )
    async with core.db.connect() as connection:
        found = (await connection.execute(query)).one_or_none()
    if found is None:
        raise not_found("app", ref)
    return found.id, core.vault.open(found.secret, str) if found.secret else ""


async def apps_of(core: Core, repo: str) -> list[str]:
    """The apps that are built from a repository at GitHub."""
    if not repo:
        return []
    query = select(AppRow.id).where(
        func.lower(AppRow.git_repo_url) == repo.lower(),
        AppRow.git_provider == GITHUB,
        AppRow.gone_at.is_(None),
        AppRow.preview_of.is_(None),
    )
    async with core.db.connect() as connection:
        return list((await connection.execute(query.order_by(AppRow.id))).scalars())


async def webhook(core: Core, tx: Tx, app: AppRow) -> Webhook:
    """`409 source_not_available` for an app that is not built from a repository."""
    row = await tx.session.get(WebhookRow, app.id) or await connecting.want(tx, core.vault, app)
    if row is None or app.git_provider is None:
        raise Problem("source_not_available", f"{app.slug} is not built from a repository that could have a webhook.")
    provider = PROVIDERS.get(app.git_provider)
    name = app.git_provider if provider else GITHUB
    return Webhook(
        provider=name,
        url=address(core, app.id, name),
        secret=core.vault.open(row.secret, str),
        events=list(PROVIDERS[name].events),
        active=row.state == "active",
        detail=row.detail,
    )


def address(core: Core, app_id: str, provider: str) -> str:
    return f"{core.settings.url}/api/v1/webhooks/apps/{app_id}/{provider}"


async def page(session: AsyncSession, app_id: str, limit: int, cursor: str | None) -> DeliveryPage:
    """The newest first."""
    query = select(*_COLUMNS).where(DeliveryRow.app_id == app_id).order_by(DeliveryRow.id.desc()).limit(limit + 1)
    rows = (await session.execute(query.where(DeliveryRow.id < cursor) if cursor else query)).all()
    items = [_view(row) for row in rows[:limit]]
    return DeliveryPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


async def again(tx: Tx, app_id: str, delivery_id: str) -> Signed:
    """A kept delivery, to be judged once more. `404`, `409 delivery_not_kept` for one of which nothing was read."""
    query = select(DeliveryRow).where(DeliveryRow.id == delivery_id, DeliveryRow.app_id == app_id)
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise not_found("delivery", delivery_id)
    if row.payload is None:
        raise Problem("delivery_not_kept", f"Of this delivery nothing is kept: {row.verdict}.")
    return Signed(provider=row.provider, delivery=row.delivery, event=row.event, said=decoder.decode(row.payload), redelivery_of=row.id)


def _view(row: Row[*tuple[object, ...]]) -> Delivery:
    return msgspec.convert(dict(zip(_NAMES, row, strict=True)), Delivery)
