"""Examples for projects, apps, deployments, events and logs; see `examples`."""

from typing import Any

from libs.common.messages.metrics import HistoryPoint
from libs.common.messages.runtime import LogLine
from libs.common.states import ReplicaState
from services.api.apps.grammar import BuildBody, EnvName, EnvValue
from services.api.apps.plans import Plan, PlanStep
from services.api.apps.schemas import App, AppGone, AppPage, AppUpdate, HealthCheckView, NewApp, ProcessView
from services.api.apps.source import Build
from services.api.autoscale.schemas import AutoscaleUpdate, Autoscaling, Decided
from services.api.build_logs.schemas import DeploymentLog, LogEntry
from services.api.deployments.moves import Phase
from services.api.deployments.schemas import DeployBody, DeployBySlugBody, Deployment, DeploymentPage, RollbackBody
from services.api.env.schemas import DotEnv
from services.api.events.schemas import Event, EventPage
from services.api.logs.schemas import LogGroup, Logs, LogSummary, Omitted
from services.api.previews.settings import Preview
from services.api.projects.schemas import (
    Member,
    MemberPage,
    NewProject,
    NewRole,
    Project,
    ProjectGone,
    ProjectPage,
    ProjectUpdate,
    Quotas,
    Usage,
)
from services.api.registries.schemas import NewRegistry, Registry, RegistryCheck, RegistryPage, RegistryUpdate
from services.api.stats.schemas import History, ReplicaStats, Stats
from services.api.volumes.schemas import Backup, BackupBody, BackupPage, NewVolume, Volume, VolumeGone, VolumePage, VolumeUpdate

_AT = "2026-01-31T09:30:00.000Z"
_LATER = "2026-01-31T09:30:04.120Z"
_USER_ID = "usr_019c13f1d3a07c5e9d3a6c0b5f1e2d3c"
_PROJECT_ID = "prj_019c13f1d3a27f0a8b9cadbecfd0e1f2"
_APP_ID = "app_019c13f1d3a37a8b9cadbecfd0e1f203"
_DEPLOYMENT_ID = "dep_019c13f1d3a47b9c8dbecfd0e1f20314"
_VOLUME_ID = "vol_019c13f1d3a67e1fa0b1c2d3e4f50617"
_REPLICA = f"dk-{_APP_ID}-web-r1.0-0"
_URL = "https://demo-app.localhost"

_project = Project(
    id=_PROJECT_ID,
    name="My Project",
    owner_id=_USER_ID,
    role="owner",
    app_count=1,
    quotas=Quotas(apps=10, cpu=4, memory=None),
    usage=Usage(apps=1, cpu=0.5, memory=256),
    created_at=_AT,
    updated_at=_AT,
    links={"self": f"/api/v1/projects/{_PROJECT_ID}", "apps": f"/api/v1/projects/{_PROJECT_ID}/apps"},
)
_member = Member(user_id=_USER_ID, email="ada@example.com", role="deployer", created_at=_AT)
_app = App(
    id=_APP_ID,
    project_id=_PROJECT_ID,
    name="demo",
    slug="demo",
    url=_URL,
    image="nginx:alpine",
    deploy_tags=None,
    preview=Preview(),
    build=Build(),
    internal_port=80,
    command=None,
    env_keys=["DATABASE_URL"],
    env_secret=["DATABASE_URL"],
    cpu_limit=0.5,
    memory_limit=256,
    replicas=1,
    processes={"worker": ProcessView(command=["python", "worker.py"], replicas=2, cpu_limit=0.5, memory_limit=256)},
    health_check=HealthCheckView(type="tcp", path="/", interval_seconds=1, timeout_seconds=5, start_period_seconds=60),
    drain_seconds=30,
    status="running",
    status_reason=None,
    status_detail=None,
    cpu_usage=1.5,
    memory_usage=12.4,
    status_synced_at=_LATER,
    stale=False,
    current_deployment_id=_DEPLOYMENT_ID,
    current_replicas=1,
    pending_changes=False,
    pending_fields=[],
    created_at=_AT,
    updated_at=_AT,
    links={"self": f"/api/v1/apps/{_APP_ID}", "deployments": f"/api/v1/apps/{_APP_ID}/deployments"},
)
_deployment = Deployment(
    id=_DEPLOYMENT_ID,
    app_id=_APP_ID,
    number=1,
    trigger="api",
    source="image",
    status="live",
    image="nginx:alpine",
    image_digest="nginx@sha256:4ff102c5d78d254a6f0da062b3cf39eaf07f01eec0927fd21e219d0af8bc0591",
    actor="ada@example.com",
    created_at=_AT,
    started_at=_AT,
    finished_at=_LATER,
    duration_ms=4120,
    phases=[Phase(name="building", started_at=_AT, duration_ms=3800), Phase(name="deploying", started_at=_LATER, duration_ms=320)],
    failure=None,
    url=_URL,
    links={"self": f"/api/v1/deployments/{_DEPLOYMENT_ID}", "app": f"/api/v1/apps/{_APP_ID}"},
)
_event = Event(
    seq=42,
    type="deployment.live",
    at=_LATER,
    app_id=_APP_ID,
    deployment_id=_DEPLOYMENT_ID,
    actor="ada@example.com",
    level="info",
    message="Deployment 1 is live.",
    data={},
)
_line = LogLine(at=_LATER, stream="stdout", replica=_REPLICA, message="listening on 0.0.0.0:80")
_group = LogGroup(
    level="error",
    count=3,
    lines=3,
    message="ERROR: connection 1284 to db:5432 refused",
    stream="stderr",
    first_at=_AT,
    last_at=_LATER,
    replicas=[_REPLICA],
)
_entry = LogEntry(cursor="1284.0", at=_LATER, stream="build", step=3, message="#3 [2/4] RUN npm ci: done in 12.4 s", duration_ms=12_400)
_replica_stats = ReplicaStats(
    replica=_REPLICA,
    container_id="3f" * 32,
    release=1,
    state=ReplicaState.RUNNING,
    node="7TQK:EXMP:LE00",
    cpu_usage=1.5,
    memory_usage=12.4,
    memory_limit=256,
    network_rx_bytes=48_213,
    network_tx_bytes=190_402,
    block_read_bytes=4_096,
    block_write_bytes=0,
    pids=3,
    sampled_at=_LATER,
)
_stats = Stats(
    app_id=_APP_ID,
    cpu_usage=1.5,
    memory_usage=12.4,
    memory_limit=256,
    network_rx_bytes=48_213,
    network_tx_bytes=190_402,
    block_read_bytes=4_096,
    block_write_bytes=0,
    pids=3,
    sampled_at=_LATER,
    requests_per_second=12.4,
    open_requests=2,
    response_time_p50=3.1,
    response_time_p95=18.5,
    response_time_p99=41.0,
    status_1xx=0,
    status_2xx=731,
    status_3xx=8,
    status_4xx=4,
    status_5xx=1,
    replicas=[_replica_stats],
)
_point = HistoryPoint(
    at="2026-01-31T09:30:00.000Z",
    cpu_usage=1.5,
    cpu_usage_max=7.25,
    memory_usage=12.4,
    memory_usage_max=12.9,
    network_rx_bytes=2_048,
    network_tx_bytes=16_384,
    block_read_bytes=0,
    block_write_bytes=0,
    pids=3,
    requests=372,
    requests_per_second=12.4,
    response_time_p50=3.1,
    response_time_p95=18.5,
    response_time_p99=41.0,
    status_1xx=0,
    status_2xx=368,
    status_3xx=2,
    status_4xx=2,
    status_5xx=0,
)
_step = PlanStep(action="prepare_image", detail="Find or pull nginx:alpine and pin it to its digest.")

_autoscaling = Autoscaling(
    enabled=True,
    min_replicas=1,
    max_replicas=4,
    target_cpu_percent=70,
    target_memory_percent=None,
    target_requests_per_second=50,
    scale_up_cooldown_seconds=30,
    scale_down_cooldown_seconds=300,
    idle_timeout_seconds=None,
    replicas=1,
    current_replicas=3,
    held_until=None,
    decided=Decided(replicas=3, at=_LATER, by="metrics", reason="From 2 to 3: 124 requests per second are 62 a replica, the target is 50."),
)
_registry = Registry(id="reg_019c13f1d3a57d0e9fa0b1c2d3e4f506", name="GitHub", server="ghcr.io", username="ada", created_at=_AT)

_volume = Volume(
    id=_VOLUME_ID,
    name="data",
    mount_path="/var/lib/demo",
    size_bytes=10_485_760,
    created_at=_AT,
    app_id=_APP_ID,
    shared=False,
    state="attached",
    in_use=True,
    measured_at=_LATER,
    links={"self": f"/api/v1/apps/{_APP_ID}/volumes/{_VOLUME_ID}", "app": f"/api/v1/apps/{_APP_ID}"},
)

INSTANCES: tuple[Any, ...] = (
    _project,
    ProjectPage(items=[_project]),
    NewProject(name="My Project"),
    ProjectUpdate(name="A better name"),
    ProjectGone(id=_PROJECT_ID, apps_left=0),
    _member,
    MemberPage(items=[_member]),
    NewRole(role="deployer"),
    _app,
    AppPage(items=[_app]),
    NewApp(name="demo", slug="demo", image="nginx:alpine", internal_port=80),
    AppUpdate(git_repo_url="owner/repo", git_branch="main", root_directory="web", build=BuildBody(secrets=["NPM_TOKEN"])),
    AppGone(id=_APP_ID, slug="demo", deleted_at=_LATER),
    Plan(plan=[_step]),
    _deployment,
    DeploymentPage(items=[_deployment]),
    RollbackBody(deployment_id=_DEPLOYMENT_ID),
    DeployBody(ref="v1.4.0"),
    DeployBySlugBody(create=True, project="My Project", image="nginx:alpine", internal_port=80),
    _volume,
    VolumePage(items=[_volume]),
    BackupPage(items=[Backup(name="20260131T030000000000Z.tar.gz", at="2026-01-31T03:00:00.000Z", size_bytes=1_048_576)]),
    NewVolume(name="data", mount_path="/var/lib/demo"),
    VolumeUpdate(backup=BackupBody(schedule="0 3 * * *", time_zone="Europe/Berlin", keep=14)),
    VolumeGone(id=_VOLUME_ID, name="data", purged=True),
    _event,
    EventPage(items=[_event], next_after=42),
    DotEnv(dotenv="# of the shop\nLOG_LEVEL=info\nDATABASE_URL=postgres://shop:${{ shared.DB_PASSWORD }}@db/shop\n"),
    _registry,
    RegistryPage(items=[_registry]),
    NewRegistry(name="GitHub", server="ghcr.io", username="ada", password="ghp_0123456789abcdefghij"),  # noqa: S106 - an example
    RegistryUpdate(password="ghp_abcdefghij0123456789"),  # noqa: S106 - an example
    RegistryCheck(ok=False, code="registry_auth_failed", detail="ghcr.io refused the login.", checked_at=_LATER),
    Logs(items=[_line]),
    LogSummary(
        lines=10_000,
        errors=3,
        from_at=_AT,
        to_at=_LATER,
        items=[_group],
        omitted=Omitted(groups=12, lines=9_997),
    ),
    DeploymentLog(items=[_entry], next_after=_entry.cursor, ended=True),
    _autoscaling,
    AutoscaleUpdate(enabled=True, min_replicas=1, max_replicas=4, target_cpu_percent=70, target_requests_per_second=50),
    _stats,
    History(interval_seconds=30, points=[_point]),
)
OF_ALIASES: dict[Any, Any] = {
    dict[str, str]: {"DATABASE_URL": "••••••••", "LOG_LEVEL": "••••••••"},
    dict[EnvName, EnvValue | None]: {"LOG_LEVEL": "debug", "OLD_SETTING": None},
}
