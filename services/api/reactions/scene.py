"""What a reaction may look at and change: the rows of one transaction, each read once however many events a batch has."""

from collections.abc import Collection

import msgspec
from sqlalchemy import bindparam, select

from libs.common import log
from services.api.apps.desired import desire
from services.api.apps.models import AppRow
from services.api.apps.observed import refresh
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.deployments.models import DeploymentRow

# Made once: putting a statement together costs more than running it.
_APP = held(select(AppRow).where(AppRow.id == bindparam("app_id")))
_APPS = held(select(AppRow.id).where(AppRow.id.in_(bindparam("app_ids", expanding=True))).order_by(AppRow.id))
_GONE = select(AppRow.gone_at).where(AppRow.id == bindparam("app_id"))
_DEPLOYMENT = select(DeploymentRow).where(DeploymentRow.id == bindparam("deployment_id"))


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How an event is shown in the feed."""

    type: str
    message: str
    project_id: str | None
    app_id: str | None = None
    deployment_id: str | None = None
    level: str = "info"
    data: dict[str, object] = {}


class Scene:
    """`touch` an app whose status may be another now; `change` one that the runtime must hear of."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self._apps: dict[str, AppRow | None] = {}
        self._touched: dict[str, AppRow] = {}
        self._changed: dict[str, dict[str, str]] = {}
        self.wakes: set[str] = set()
        self._has_many_writers = tx.connection.dialect.name == "postgresql"

    async def hold(self, app_ids: Collection[str]) -> None:
        """Have the apps at once, in the order in which all take several; each is still asked for by `app`."""
        if self._has_many_writers and len(app_ids) > 1:
            await self.tx.connection.execute(_APPS, {"app_ids": list(app_ids)})

    async def app(self, app_id: str) -> AppRow | None:
        """The app's row, locked; None when there is none or the app is gone: its late events mean nothing."""
        if app_id not in self._apps:
            app = (await self.tx.session.execute(_APP, {"app_id": app_id})).scalar_one_or_none()
            self._apps[app_id] = app if app is not None and app.gone_at is None else None
        return self._apps[app_id]

    async def is_gone(self, app_id: str) -> bool:
        """Whether the app was there and is not any more; nothing is said of one that never was."""
        return (await self.tx.connection.execute(_GONE, {"app_id": app_id})).scalar_one_or_none() is not None

    async def deployment(self, deployment_id: str) -> tuple[AppRow, DeploymentRow] | None:
        deployment = (await self.tx.session.execute(_DEPLOYMENT, {"deployment_id": deployment_id})).scalar_one_or_none()
        if deployment is None:
            return None
        is_late = self._has_many_writers and deployment.app_id not in self._apps
        if (app := await self.app(deployment.app_id)) is None:
            return None
        if is_late:  # whoever held the app may have moved the deployment since it was read
            await self.tx.session.refresh(deployment)
        self.wakes.add(deployment_id)
        return app, deployment

    def touch(self, app: AppRow) -> None:
        self._touched[app.id] = app
        self.wakes.add(app.id)

    def change(self, app: AppRow) -> None:
        self.touch(app)
        self._changed[app.id] = log.outgoing()

    async def finish(self) -> None:
        """Derive what follows, and say it."""
        for app in self._touched.values():
            if app.id in self._changed:
                with log.incoming(self._changed[app.id]):
                    await refresh(self.tx, app)
                    desire(self.tx, app)
            else:
                await refresh(self.tx, app)
