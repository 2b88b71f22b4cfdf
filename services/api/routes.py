"""The routes of projects, apps, deployments and events: what `create_app` registers under `/api/v1`."""

from litestar.types import ControllerRouterHandler

from services.api.apps.controllers import AppController, ProjectAppController
from services.api.audit.controllers import AuditController
from services.api.build_logs.controllers import BuildLogController
from services.api.deployments.controllers import DeployController, DeploymentController
from services.api.env.controllers import EnvController
from services.api.events.controllers import EventController
from services.api.git.controllers import GitController
from services.api.lifecycle.controllers import LifecycleController
from services.api.projects.controllers import MemberController, ProjectController
from services.api.recovery.controllers import RecoveryController
from services.api.registries.controllers import RegistryController
from services.api.secrets.controllers import SecretsController
from services.api.stats.controllers import StatsController
from services.api.webhooks.controllers import WebhookController

STATE_ROUTES: list[ControllerRouterHandler] = [
    ProjectController,
    MemberController,
    ProjectAppController,
    AppController,
    DeployController,
    DeploymentController,
    BuildLogController,
    LifecycleController,
    EnvController,
    RegistryController,
    EventController,
    RecoveryController,
    SecretsController,
    AuditController,
    StatsController,
    GitController,
    WebhookController,
]
