"""Who may see and do what in a project. What one may not see is `404`, what one may see but not do is `403`."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.sql.elements import SQLCoreOperations

from services.api.http.principal import SCOPES, Principal
from services.api.http.problems import Problem
from services.api.projects.models import MemberRow, ProjectRow

_SCOPE_OF_ROLE = {"viewer": "read", "deployer": "deploy", "maintainer": "write", "owner": "write"}
OWNER = "owner"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a principal is in a project: `owner`, a member's role, or None for an admin who has no part in it."""

    role: str | None
    is_admin: bool

    def may(self, scope: str) -> bool:
        """Whether the role gives `scope` in this project."""
        return self.is_admin or SCOPES.index(self._having) >= SCOPES.index(scope)

    def need(self, scope: str) -> None:
        """`403 forbidden` unless the role gives `scope` in this project."""
        if not self.may(scope):
            having = self._having
            raise Problem("forbidden", f"Your role in this project is {self.role}, which gives the scope {having}; this needs {scope}.")

    @property
    def _having(self) -> str:
        return _SCOPE_OF_ROLE[self.role or "viewer"]

    def need_owner(self) -> None:
        if not self.is_admin and self.role != OWNER:
            raise Problem("forbidden", "Only the project's owner or an admin may do this.")


def sees_everything(principal: Principal) -> bool:
    """An admin's token of scope `admin`; a key that is bound to a project still sees that one alone."""
    return principal.role == "admin" and principal.may("admin")


def standing(principal: Principal, owner_id: str | None, member_role: str | None) -> Standing:
    role = OWNER if owner_id == principal.user_id else member_role
    return Standing(role=role, is_admin=sees_everything(principal))


def membership(principal: Principal) -> ColumnElement[bool]:
    """The `ON` of an outer join from `ProjectRow` to the principal's own `MemberRow`."""
    return and_(MemberRow.project_id == ProjectRow.id, MemberRow.user_id == principal.user_id)


def visible(principal: Principal) -> ColumnElement[bool]:
    """Projects that the principal may know of; for queries that join `membership`."""
    bound: Any = ProjectRow.id == principal.project_id if principal.project_id is not None else true()
    mine = true() if sees_everything(principal) else or_(ProjectRow.owner_id == principal.user_id, MemberRow.user_id.is_not(None))
    return and_(ProjectRow.gone_at.is_(None), bound, mine)


def in_visible_project(principal: Principal, column: SQLCoreOperations[str | None]) -> ColumnElement[bool]:
    """A condition on a column that holds a project's id; what belongs to no project is an admin's alone."""
    if sees_everything(principal) and principal.project_id is None:
        return true()
    query = select(ProjectRow.id).outerjoin(MemberRow, membership(principal)).where(visible(principal))
    return column.in_(query)
