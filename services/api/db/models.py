"""Imports every table, so that the metadata is whole."""

from services.api.accounts.models import ApiKeyRow, SessionRow, UserRow
from services.api.apps.models import AppRow, ReplicaRow, SlugRow
from services.api.audit.models import AuditRow
from services.api.codex.models import CodexKeyRow
from services.api.db.base import Base
from services.api.db.tables import CursorRow, IdempotencyRow, MetaRow, OutboxRow
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.domains.models import CertificateRow, DomainRow
from services.api.events.models import EventRow
from services.api.git.models import GitConnectionRow, GitStateRow, ReportRow
from services.api.jobs.models import JobRow
from services.api.notifications.models import NotificationDeliveryRow, NotificationRow
from services.api.previews.models import PreviewRow
from services.api.projects.models import MemberRow, ProjectRow
from services.api.registries.models import RegistryRow
from services.api.runs.models import RunRow
from services.api.volumes.models import VolumeRow
from services.api.webhooks.models import DeliveryKeyRow, DeliveryRow, WebhookRow

__all__ = [
    "ApiKeyRow",
    "AppRow",
    "AuditRow",
    "Base",
    "CertificateRow",
    "CodexKeyRow",
    "CursorRow",
    "DeliveryKeyRow",
    "DeliveryRow",
    "DeploymentRow",
    "DomainRow",
    "EventRow",
    "GitConnectionRow",
    "GitStateRow",
    "IdempotencyRow",
    "JobRow",
    "MemberRow",
    "MetaRow",
    "NotificationDeliveryRow",
    "NotificationRow",
    "OutboxRow",
    "PreviewRow",
    "ProjectRow",
    "RegistryRow",
    "ReleaseRow",
    "ReplicaRow",
    "ReportRow",
    "RunRow",
    "SessionRow",
    "SlugRow",
    "UserRow",
    "VolumeRow",
    "WebhookRow",
]
