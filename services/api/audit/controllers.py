"""The route of the audit."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import Parameter

from services.api.audit import service
from services.api.audit.schemas import AuditPage
from services.api.http.given import TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.strict import Cursor, Limit, check_cursor

ProjectId = Annotated[str | None, Parameter(max_length=40, description="What was done in this project.")]
UserId = Annotated[str | None, Parameter(max_length=40, description="What this user did.")]
Action = Annotated[str | None, Parameter(max_length=60, description="Such as app.deleting or login.refused.")]
Target = Annotated[str | None, Parameter(max_length=80, description="The id of what it was done to.")]


class AuditController(Controller):
    path = "/audit"
    tags = ("Audit",)

    @get(guards=[scope("write")])
    async def list_audit(
        self,
        *,
        core: TheCore,
        principal: ThePrincipal,
        project_id: ProjectId = None,
        user_id: UserId = None,
        action: Action = None,
        target: Target = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> AuditPage:
        """Who did what, from where, with which key: the newest first. An admin sees all, a maintainer what was done in the project."""
        filters = {"project_id": project_id, "user_id": user_id, "action": action, "target": target}
        return await service.read(core.db, principal, filters, limit, check_cursor(cursor, "aud_"))
