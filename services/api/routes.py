"""The routes of projects, apps, deployments and events: what `create_app` registers under `/api/v1`."""

from litestar.types import ControllerRouterHandler

from services.api.apps.controllers import AppController, ProjectAppController
from services.api.audit.controllers import AuditController
from services.api.autoscale.controllers import AutoscaleController
from services.api.build_logs.controllers import BuildLogController
from services.api.codex.controllers import CodexController, CodexKeyController
from services.api.deployments.controllers import DeployController, DeploymentController
from services.api.domains.controllers import DomainController
from services.api.env.controllers import EnvController, SharedEnvController
from services.api.events.controllers import EventController
from services.api.git.controllers import GitController
from services.api.jobs.controllers import JobController
from services.api.lifecycle.controllers import LifecycleController
from services.api.notifications.controllers import NotificationController
from services.api.projects.controllers import MemberController, ProjectController
from services.api.recovery.controllers import RecoveryController
from services.api.registries.controllers import RegistryController
from services.api.runs.controllers import RunController
from services.api.secrets.controllers import SecretsController
from services.api.stats.controllers import StatsController
from services.api.terminals.controllers import TerminalController
from services.api.volumes.archive_controllers import ArchiveController, BackupController
from services.api.volumes.controllers import ProjectVolumeController, VolumeController
from services.api.webhooks.controllers import WebhookController

STATE_ROUTES: list[ControllerRouterHandler] = [
    ProjectController,
    MemberController,
    NotificationController,
    ProjectAppController,
    AppController,
    DeployController,
    DeploymentController,
    BuildLogController,
    LifecycleController,
    EnvController,
    SharedEnvController,
    DomainController,
    RunController,
    JobController,
    VolumeController,
    ProjectVolumeController,
    ArchiveController,
    BackupController,
    RegistryController,
    EventController,
    RecoveryController,
    SecretsController,
    AuditController,
    StatsController,
    TerminalController,
    CodexController,
    CodexKeyController,
    AutoscaleController,
    GitController,
    WebhookController,
]
