"""What the routes of apps take and give."""

from typing import Literal

import msgspec

from services.api.apps.front import BasicAuthBody, BasicAuthUser, Maintenance, RedirectBody
from services.api.apps.grammar import (
    BuildBody,
    Command,
    Cpu,
    DrainSeconds,
    EnvName,
    EnvSecret,
    EnvValue,
    GitProvider,
    GitRef,
    GitRepoUrl,
    HealthCheckBody,
    Image,
    Memory,
    Port,
    ProcessName,
    ProcessReplicas,
    RegistryId,
    RelativePath,
    Replicas,
    Slug,
    TagGlob,
    WatchPaths,
)
from services.api.apps.source import Build
from services.api.http.strict import Body, DisplayName, Page
from services.api.previews.settings import Preview, PreviewBody

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class HealthCheckView(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["http", "tcp", "none"]
    path: str
    interval_seconds: float
    timeout_seconds: float
    start_period_seconds: float


class ProcessView(msgspec.Struct, frozen=True, kw_only=True):
    """A process beside `web`. `cpu_limit` in cores and `memory_limit` in MB are each replica's; null: no limit."""

    command: list[str]
    replicas: int
    cpu_limit: float | None
    memory_limit: int | None


class ProcessBody(Body, frozen=True, kw_only=True):
    """What is left out keeps its value; at first one replica with the app's own limits. A `command` of null is the Procfile's."""

    command: Command | Unset | None = UNSET
    replicas: ProcessReplicas | Unset = UNSET
    cpu_limit: Cpu | Unset | None = UNSET
    memory_limit: Memory | Unset | None = UNSET


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An app. With `git_repo_url` its image is built from there, and `image` is what was built last.

    `cpu_usage` in percent of one core, `memory_usage` in MB, both of all replicas; `current_replicas`: how many run of those that take
    requests. `processes` are the others: those that were set, and those of the `Procfile` that runs.

    `env_secret`: names in the environment whose values are masked in logs, failures and events, beside those that look like secrets.
    `pending_fields` are the settings that wait for the next deploy; `pending_changes` says whether there are any.
    """

    id: str
    project_id: str
    name: str
    slug: str
    url: str
    image: str | None
    git_provider: str | None = None
    git_repo_url: str | None = None
    git_branch: str | None = None
    root_directory: str | None = None
    dockerfile_path: str | None = None
    watch_paths: list[str] = []
    build: Build
    deploy_tags: str | None
    preview: Preview
    internal_port: int
    command: list[str] | None
    env_keys: list[str]
    env_secret: list[str]
    cpu_limit: float | None
    memory_limit: int | None
    replicas: int
    health_check: HealthCheckView
    drain_seconds: float
    release_command: list[str] | None = None
    processes: dict[str, ProcessView] = {}
    auto_deploy: bool = False
    registry_id: str | None = None
    domains: list[str] = []
    redirects: list[RedirectBody] = []
    https_redirect: bool = True
    maintenance: Maintenance = Maintenance()
    basic_auth: list[BasicAuthUser] = []
    status: Literal["running", "stopped", "paused", "restarting", "starting"]
    status_reason: str | None
    status_detail: str | None
    cpu_usage: float | None
    memory_usage: float | None
    status_synced_at: str | None
    stale: bool
    current_deployment_id: str | None
    current_replicas: int
    pending_changes: bool
    pending_fields: list[str]
    created_at: str
    updated_at: str
    links: dict[str, str]


class AppPage(Page, frozen=True, kw_only=True):
    items: list[App]


class AppGone(msgspec.Struct, frozen=True, kw_only=True):
    """The app is gone with its containers, routes and images. Its slug may be taken again by the same project alone."""

    id: str
    slug: str
    deleted_at: str


class Settings(Body, frozen=True, kw_only=True):
    """What may be set. What is left out keeps its value; null clears what may be empty. `env` is merged, and null removes a name.

    `git_repo_url` is `owner/repo` or an https address, and excludes `image`; `git_provider` follows from it where it is not given.
    `root_directory` and `dockerfile_path` are relative, the second to the first. `auto_deploy`: a push is deployed;
    so is a tag that `deploy_tags` fits, a glob such as `v*`. `preview`: each pull request gets an app of its own. `internal_port` null is
    the one port that the image exposes, else 80; in an app it is shown as the port that runs. `release_command`, such as a migration, runs
    once with the new image, in a container of its own, before any replica is made; a deployment whose command fails is not live.

    `processes` run beside `web`, which takes the requests: the same image, env and volumes, another command. They are merged by name, and
    null removes one. Their replicas and limits change at once, their commands with the next deploy.
    """

    name: DisplayName | Unset = UNSET
    image: Image | Unset | None = UNSET
    git_provider: GitProvider | Unset | None = UNSET
    git_repo_url: GitRepoUrl | Unset | None = UNSET
    git_branch: GitRef | Unset | None = UNSET
    root_directory: RelativePath | Unset | None = UNSET
    dockerfile_path: RelativePath | Unset | None = UNSET
    watch_paths: WatchPaths | Unset | None = UNSET
    auto_deploy: bool | Unset = UNSET
    build: BuildBody | Unset | None = UNSET
    registry_id: RegistryId | Unset | None = UNSET
    deploy_tags: TagGlob | Unset | None = UNSET
    preview: PreviewBody | Unset | None = UNSET
    internal_port: Port | Unset | None = UNSET
    command: Command | Unset | None = UNSET
    env: dict[EnvName, EnvValue | None] | Unset = UNSET
    env_secret: EnvSecret | Unset = UNSET
    cpu_limit: Cpu | Unset | None = UNSET
    memory_limit: Memory | Unset | None = UNSET
    replicas: Replicas | Unset = UNSET
    health_check: HealthCheckBody | Unset | None = UNSET
    drain_seconds: DrainSeconds | Unset = UNSET
    redirects: list[RedirectBody] | Unset | None = UNSET
    https_redirect: bool | Unset = UNSET
    maintenance: Maintenance | Unset | None = UNSET
    basic_auth: list[BasicAuthBody] | Unset | None = UNSET
    release_command: Command | Unset | None = UNSET
    processes: dict[ProcessName, ProcessBody | None] | Unset | None = UNSET


class NewApp(Settings, frozen=True, kw_only=True):
    """Without `slug` it is made from the name. `internal_port` is, unless it is given, the one port that the image exposes, else 80."""

    name: DisplayName
    slug: Slug | Unset = UNSET


class AppUpdate(Settings, frozen=True, kw_only=True):
    """The read-only fields may come back as they were read."""

    id: str | Unset = UNSET
    project_id: str | Unset = UNSET
    slug: str | Unset = UNSET
    url: str | Unset = UNSET
    env_keys: list[str] | Unset = UNSET
    domains: list[str] | Unset = UNSET
    status: str | Unset = UNSET
    status_reason: str | Unset | None = UNSET
    status_detail: str | Unset | None = UNSET
    cpu_usage: float | Unset | None = UNSET
    memory_usage: float | Unset | None = UNSET
    status_synced_at: str | Unset | None = UNSET
    stale: bool | Unset = UNSET
    current_deployment_id: str | Unset | None = UNSET
    current_replicas: int | Unset = UNSET
    pending_changes: bool | Unset = UNSET
    pending_fields: list[str] | Unset = UNSET
    created_at: str | Unset = UNSET
    updated_at: str | Unset = UNSET
    links: dict[str, str] | Unset = UNSET
