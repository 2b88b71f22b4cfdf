"""What the routes of projects take and give."""

from typing import Annotated, Literal

import msgspec

from services.api.http.strict import Body, DisplayName, Page

_MOST = 1_000_000_000
MemberRole = Literal["viewer", "deployer", "maintainer"]
Role = Literal["owner", "viewer", "deployer", "maintainer"]


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """What the project's apps may have together; null is without a limit. `memory` in MB, `cpu` in cores."""

    apps: int | None
    cpu: float | None
    memory: int | None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the project's apps may use together: limit times replicas, or where an app has no limit, all that the machine has."""

    apps: int
    cpu: float
    memory: int


class QuotasUpdate(Body, frozen=True, kw_only=True):
    """null is the server's own quota again (`DOCKUP_QUOTA_…`)."""

    apps: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] | msgspec.UnsetType | None = msgspec.UNSET
    cpu: Annotated[float, msgspec.Meta(ge=0, le=_MOST)] | msgspec.UnsetType | None = msgspec.UNSET
    memory: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] | msgspec.UnsetType | None = msgspec.UNSET


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """`role` is the caller's own; None for an admin who has no part in the project. `app_count`: apps that are not being deleted."""

    id: str
    name: str
    owner_id: str
    role: Role | None
    app_count: int
    quotas: Quotas
    usage: Usage
    created_at: str
    updated_at: str
    links: dict[str, str]


class ProjectPage(Page, frozen=True, kw_only=True):
    items: list[Project]


class NewProject(Body, frozen=True, kw_only=True):
    name: DisplayName


class ProjectUpdate(Body, frozen=True, kw_only=True):
    """What is left out stays. `quotas` are an admin's to change. The rest of a project comes back unchanged or not at all."""

    name: DisplayName | msgspec.UnsetType = msgspec.UNSET
    id: str | msgspec.UnsetType = msgspec.UNSET
    owner_id: str | msgspec.UnsetType = msgspec.UNSET
    role: str | msgspec.UnsetType | None = msgspec.UNSET
    app_count: int | msgspec.UnsetType = msgspec.UNSET
    quotas: QuotasUpdate | msgspec.UnsetType = msgspec.UNSET
    usage: Usage | msgspec.UnsetType = msgspec.UNSET
    created_at: str | msgspec.UnsetType = msgspec.UNSET
    updated_at: str | msgspec.UnsetType = msgspec.UNSET
    links: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class ProjectGone(msgspec.Struct, frozen=True, kw_only=True):
    """`apps_left`: how many of its apps are still being removed."""

    id: str
    apps_left: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    email: str
    role: MemberRole
    created_at: str


class MemberPage(Page, frozen=True, kw_only=True):
    items: list[Member]


class NewRole(Body, frozen=True, kw_only=True):
    role: MemberRole
