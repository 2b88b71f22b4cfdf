"""Imports every table, so that the metadata is whole."""

from services.api.accounts.models import ApiKeyRow, SessionRow, UserRow
from services.api.apps.models import AppRow, ReplicaRow, SlugRow
from services.api.audit.models import AuditRow
from services.api.db.base import Base
from services.api.db.tables import CursorRow, IdempotencyRow, MetaRow, OutboxRow
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.events.models import EventRow
from services.api.projects.models import MemberRow, ProjectRow
from services.api.registries.models import RegistryRow

__all__ = [
    "ApiKeyRow",
    "AppRow",
    "AuditRow",
    "Base",
    "CursorRow",
    "DeploymentRow",
    "EventRow",
    "IdempotencyRow",
    "MemberRow",
    "MetaRow",
    "OutboxRow",
    "ProjectRow",
    "RegistryRow",
    "ReleaseRow",
    "ReplicaRow",
    "SessionRow",
    "SlugRow",
    "UserRow",
]
