"""Reading the audit, the newest first."""

from sqlalchemy import ColumnElement, and_, or_, select, true

from services.api.audit.models import AuditRow
from services.api.audit.schemas import AuditEntry, AuditPage
from services.api.db.database import Database
from services.api.http.principal import Principal
from services.api.projects import service as projects
from services.api.projects.access import membership, visible
from services.api.projects.models import MemberRow, ProjectRow

_NAMES = AuditEntry.__struct_fields__
_COLUMNS = tuple(getattr(AuditRow, name) for name in _NAMES)


async def read(db: Database, principal: Principal, filters: dict[str, str | None], limit: int, cursor: str | None) -> AuditPage:
    """`filters` by column. `404` for a project out of sight, `403` for one where the role is too low."""
    project_id = filters.get("project_id")
    if project_id is not None:
        async with db.read() as session:
            having = (await projects.to_read(session, principal, project_id)).having
        having.need("write")
    query = select(*_COLUMNS).where(_mine(principal)).order_by(AuditRow.id.desc()).limit(limit + 1)
    query = query.where(*(getattr(AuditRow, name) == value for name, value in filters.items() if value is not None))
    async with db.connect() as connection:
        rows = (await connection.execute(query.where(AuditRow.id < cursor) if cursor else query)).all()
    items = [AuditEntry(**dict(zip(_NAMES, row, strict=True))) for row in rows[:limit]]
    return AuditPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


def _mine(principal: Principal) -> ColumnElement[bool]:
    """Everything for an admin; for others the projects that they own or maintain."""
    if principal.is_admin:
        return true()
    leads = or_(ProjectRow.owner_id == principal.user_id, MemberRow.role == "maintainer")
    if principal.role == "admin" and principal.may("admin"):
        leads = true()  # an admin's key that is bound to a project: `visible` keeps it there
    query = select(ProjectRow.id).outerjoin(MemberRow, membership(principal)).where(and_(visible(principal), leads))
    return AuditRow.project_id.in_(query)
