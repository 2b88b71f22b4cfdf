"""What happens to projects. Functions that take a `Tx` are the inside of one transaction."""

from typing import NamedTuple, cast

import msgspec
from sqlalchemy import Row, Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common import clock, ids
from services.api.accounts.models import UserRow
from services.api.db.locks import held
from services.api.db.tx import Tx
from services.api.http import matching
from services.api.http.principal import Principal
from services.api.http.problems import FieldError, Problem, not_found
from services.api.projects import quotas
from services.api.projects.access import Standing, membership, standing, visible
from services.api.projects.models import MemberRow, ProjectRow
from services.api.projects.schemas import Member, MemberRole, Project, ProjectUpdate, Role, Usage
from services.api.settings import Settings

NOTHING = Usage(apps=0, cpu=0, memory=0)
_LOCK = 73_002
_READ_ONLY = ("id", "owner_id", "role", "app_count", "usage", "created_at", "updated_at", "links")


class Seen(NamedTuple):
    """A project, what the principal is in it, and what its apps may use."""

    project: ProjectRow
    having: Standing
    usage: Usage


def of(principal: Principal) -> Select[ProjectRow, str | None, int, float, int]:
    """The projects that the principal may see, each with the member's role and what its apps may use."""
    columns = (column.correlate(ProjectRow).scalar_subquery() for column in quotas.used_in(ProjectRow.id))
    return select(ProjectRow, MemberRow.role, *columns).outerjoin(MemberRow, membership(principal)).where(visible(principal))


async def to_read(session: AsyncSession, principal: Principal, project_id: str) -> Seen:
    row = (await session.execute(of(principal).where(ProjectRow.id == project_id))).one_or_none()
    if row is None:
        raise not_found("project", project_id)
    return seen(principal, row)


def seen(principal: Principal, row: Row[ProjectRow, str | None, int, float, int]) -> Seen:
    project, member_role, apps, cpu, memory = row
    return Seen(project, standing(principal, project.owner_id, member_role), Usage(apps=apps, cpu=round(cpu, 3), memory=memory))


async def to_change(tx: Tx, principal: Principal, project_id: str, scope: str) -> ProjectRow:
    """The project, locked; `404`, or `403` when the role does not give `scope`."""
    project, having = await locked(tx, principal, project_id)
    having.need(scope)
    return project


async def locked(tx: Tx, principal: Principal, project_id: str) -> tuple[ProjectRow, Standing]:
    query = select(ProjectRow, MemberRow.role).outerjoin(MemberRow, membership(principal))
    query = query.where(ProjectRow.id == project_id, visible(principal))
    row = (await tx.session.execute(held(query, ProjectRow))).one_or_none()
    if row is None:
        raise not_found("project", project_id)
    return row[0], standing(principal, row[0].owner_id, row[1])


async def create(tx: Tx, principal: Principal, name: str) -> ProjectRow:
    """`403` for a key that is bound to another project: it could not see the new one."""
    if principal.project_id is not None:
        raise Problem("forbidden", "This key is bound to one project and cannot make others.")
    project = ProjectRow.made(ids.new("prj"), name, principal.user_id, clock.now())
    tx.session.add(project)
    await tx.flush()
    tx.record("project.created", f"The project {name} was created.", project_id=project.id)
    return project


async def find_or_create(tx: Tx, principal: Principal, ref: str) -> ProjectRow:
    """The project of that id or name, locked; where there is none, one of that name is made, also by several at once."""
    found = await find(tx, principal, ref)
    if found is None and tx.connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        await tx.connection.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(f"{principal.user_id} {ref}"))))
        found = await find(tx, principal, ref)
    if found is None:
        return await create(tx, principal, ref)
    project, having = found
    having.need("write")
    return project


async def find(tx: Tx, principal: Principal, ref: str) -> tuple[ProjectRow, Standing] | None:
    """A project by id or name, locked; the principal's own before others of that name, the oldest first."""
    query = (
        select(ProjectRow, MemberRow.role)
        .outerjoin(MemberRow, membership(principal))
        .where(visible(principal), (ProjectRow.id == ref) | (ProjectRow.name == ref))
        .order_by(ProjectRow.id != ref, ProjectRow.owner_id != principal.user_id, ProjectRow.id)
        .limit(1)
    )
    row = (await tx.session.execute(held(query, ProjectRow))).one_or_none()
    return (row[0], standing(principal, row[0].owner_id, row[1])) if row is not None else None


def update(tx: Tx, project: ProjectRow, view: Project, body: ProjectUpdate, *, is_admin: bool) -> None:
    """Merge `body`. `403` for quotas that are to be others, to all but admins."""
    wrong = [name for name in _READ_ONLY if getattr(body, name) not in (msgspec.UNSET, getattr(view, name)) and name != "updated_at"]
    if wrong:
        errors = [FieldError(pointer=f"/{name}", detail="is read-only") for name in wrong]
        raise Problem("read_only_field", f"{', '.join(wrong)}: read-only.", errors=errors)
    if body.name is not msgspec.UNSET and body.name != project.name:
        project.name, project.updated_at = body.name, clock.now()
        tx.record("project.updated", f"The project is called {body.name} now.", project_id=project.id)
    if not isinstance(body.quotas, msgspec.UnsetType):
        quotas.change(tx, project, view.quotas, body.quotas, is_admin=is_admin)


async def remove(tx: Tx, project: ProjectRow) -> None:
    """Take it from everybody's sight. Its apps must be on their way out."""
    project.gone_at, project.owner_id = clock.now(), None
    project.shared_env = None  # nobody is to be able to read it any more; what still runs has it in its release
    await tx.session.execute(delete(MemberRow).where(MemberRow.project_id == project.id))
    tx.record("project.deleted", f"The project {project.name} was deleted.", project_id=project.id)


async def members(session: AsyncSession, project_id: str, limit: int, cursor: str | None) -> list[Member]:
    query = (
        select(MemberRow.user_id, UserRow.email, MemberRow.role, MemberRow.created_at)
        .join(UserRow, UserRow.id == MemberRow.user_id)
        .where(MemberRow.project_id == project_id)
        .order_by(MemberRow.user_id)
        .limit(limit)
    )
    rows = await session.execute(query.where(MemberRow.user_id > cursor) if cursor else query)
    return [Member(user_id=row.user_id, email=row.email, role=row.role, created_at=row.created_at) for row in rows]


async def set_member(tx: Tx, project: ProjectRow, user: str, role: str) -> Member | None:
    """`user` is an id or an email. None for a user who does not exist; the owner's role cannot be lowered."""
    query = select(UserRow.id, UserRow.email).where((UserRow.id == user) | (UserRow.email == user.lower()))
    found = (await tx.session.execute(query)).one_or_none()
    if found is None:
        return None
    user_id, email = found
    if user_id == project.owner_id:
        raise Problem("conflict", "The owner of a project is not one of its members.")
    member = await tx.session.get(MemberRow, (project.id, user_id))
    if member is None:
        member = MemberRow(project_id=project.id, user_id=user_id, role=role, created_at=clock.now())
        tx.session.add(member)
    member.role = role
    tx.record("project.member_set", f"{email} is {role} now.", project_id=project.id, data={"user_id": user_id, "role": role})
    return Member(user_id=user_id, email=email, role=cast("MemberRole", member.role), created_at=member.created_at)


async def remove_member(tx: Tx, project: ProjectRow, user_id: str) -> None:
    member = await tx.session.get(MemberRow, (project.id, user_id))
    if member is None:
        raise not_found("member", user_id)
    await tx.session.delete(member)
    tx.record("project.member_removed", "A member was removed.", project_id=project.id, data={"user_id": user_id})


def etag(project: ProjectRow) -> str:
    """Of what somebody set."""
    return matching.etag([project.name, project.quota_apps, project.quota_cpu, project.quota_memory])


def to_view(one: Seen, defaults: Settings) -> Project:
    project = one.project
    return Project(
        id=project.id,
        name=project.name,
        owner_id=project.owner_id or "",
        role=cast("Role | None", one.having.role),
        app_count=one.usage.apps,
        quotas=quotas.allowed(project, defaults),
        usage=one.usage,
        created_at=project.created_at,
        updated_at=project.updated_at,
        links={"self": f"/api/v1/projects/{project.id}", "apps": f"/api/v1/projects/{project.id}/apps"},
    )
