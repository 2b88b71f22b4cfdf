"""From an app's row to what a client reads, and what of it may be kept for how long."""

import hashlib
from typing import Literal, cast

import msgspec

from libs.common.clock import parse
from libs.common.messages.api import Release
from services.api.apps.models import AppRow
from services.api.apps.schemas import App, HealthCheckView
from services.api.apps.source import build_of, configured, decode, differing, encode, watch_paths_of
from services.api.deployments.moves import Frozen
from services.api.previews import settings as previews
from services.api.settings import Settings

_PENDING = ("image", "internal_port", "command", "health_check", "drain_seconds", "env", "env_secret")
_frozen = msgspec.json.Decoder(Frozen)
_release = msgspec.json.Decoder(Release)
_keys = msgspec.json.Decoder(list[str])
_STALE_AFTER = 3
Status = Literal["running", "stopped", "paused", "restarting", "starting"]


def stale_at(app: AppRow, settings: Settings) -> float:
    """Unix time from which on the last sync counts as old."""
    since = parse(app.synced_at or app.created_at).timestamp()
    return since + _STALE_AFTER * settings.sync_seconds


def to_view(app: AppRow, settings: Settings, now: float) -> App:
    frozen = _frozen.decode(app.settings)
    check = frozen.health_check
    return App(
        id=app.id,
        project_id=app.project_id,
        name=app.name,
        slug=app.slug,
        url=settings.app_url(app.slug),
        image=app.image,
        git_provider=app.git_provider,
        git_repo_url=app.git_repo_url,
        git_branch=app.git_branch,
        root_directory=app.root_directory,
        dockerfile_path=app.dockerfile_path,
        watch_paths=watch_paths_of(app),
        auto_deploy=app.auto_deploy,
        build=build_of(app),
        registry_id=app.registry_id,
        deploy_tags=app.deploy_tags,
        preview=previews.of(app),
        internal_port=frozen.internal_port,
        command=list(frozen.command) if frozen.command is not None else None,
        env_keys=_keys.decode(app.env_keys),
        env_secret=list(frozen.env_secret),
        cpu_limit=app.cpu_limit,
        memory_limit=app.memory_limit,
        replicas=app.replicas,
        health_check=HealthCheckView(
            type=cast("Literal['http', 'tcp', 'none']", check.type),
            path=check.path,
            interval_seconds=check.interval_seconds,
            timeout_seconds=check.timeout_seconds,
            start_period_seconds=check.start_period_seconds,
        ),
        drain_seconds=frozen.drain_seconds,
        status=cast("Status", app.status),
        status_reason=app.status_reason,
        status_detail=app.status_detail,
        cpu_usage=app.cpu_usage,
        memory_usage=app.memory_usage,
        status_synced_at=app.synced_at,
        stale=now >= stale_at(app, settings),
        current_deployment_id=app.current_deployment_id,
        current_replicas=app.current_replicas,
        pending_changes=bool(waiting := pending(app, frozen)),
        pending_fields=waiting,
        created_at=app.created_at,
        updated_at=app.updated_at,
        links=_links(app),
    )


def pending(app: AppRow, frozen: Frozen) -> list[str]:
    """The settings that differ from what runs; none when nothing is live."""
    if app.current is None or app.current_fingerprint == app.fingerprint:
        return []
    live = _release.decode(app.current)
    wanted = configured(app)
    source = differing(wanted, decode(app.current_source)) if wanted is not None else []
    there = (
        live.image if wanted is not None else app.image,
        frozen.internal_port,
        frozen.command,
        frozen.health_check,
        frozen.drain_seconds,
        app.env,
        frozen.env_secret,
    )
    here = (live.image, live.port, live.command, live.health_check, live.drain_seconds, live.env, live.env_secret)
    return source + [name for name, asked, runs in zip(_PENDING, there, here, strict=True) if asked != runs]


def etag(app: AppRow) -> str:
    """Of the settings alone: what changes by itself does not change it."""
    parts = [app.name, app.fingerprint, app.replicas, app.cpu_limit, app.memory_limit, app.watch_paths, app.auto_deploy, app.registry_id]
    parts += [app.deploy_tags, app.preview, app.preview_env]
    return f'"{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]}"'


def fingerprint(image: str | None, settings: str, env: str, source: str = "") -> str:
    """Of what containers are made from: differs from that of the current release when changes are pending.

    With a `source` the image follows from that, and which one it is says nothing.
    """
    parts = ("", settings, env, source) if source else (image or "", settings, env)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def fingerprint_of(app: AppRow) -> str:
    """Of what the app is configured to be."""
    return fingerprint(app.image, app.settings, app.env, encode(configured(app)))


def _links(app: AppRow) -> dict[str, str]:
    base = f"/api/v1/apps/{app.id}"
    return {
        "self": base,
        "project": f"/api/v1/projects/{app.project_id}",
        "deployments": f"{base}/deployments",
        "events": f"{base}/events",
        "logs": f"{base}/logs",
        "stats": f"{base}/stats",
        "env": f"{base}/env",
    }
