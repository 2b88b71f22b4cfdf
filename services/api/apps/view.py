"""From an app's row to what a client reads, and what of it may be kept for how long."""

import hashlib
from typing import Any, Literal, cast

import msgspec

from libs.common.clock import parse
from libs.common.messages.api import HealthCheck
from services.api.apps import domains, front, processes
from services.api.apps.models import AppRow
from services.api.apps.pending import pending, port_of
from services.api.apps.schemas import App, HealthCheckView
from services.api.apps.source import build_of, configured, encode, watch_paths_of
from services.api.deployments.moves import Frozen
from services.api.http import matching
from services.api.previews import settings as previews
from services.api.settings import Settings

_AS_THEY_ARE = (
    "id",
    "project_id",
    "name",
    "slug",
    "image",
    "git_provider",
    "git_repo_url",
    "git_branch",
    "root_directory",
    "dockerfile_path",
    "auto_deploy",
    "registry_id",
    "deploy_tags",
    "cpu_limit",
    "memory_limit",
    "replicas",
    "status_reason",
    "status_detail",
    "cpu_usage",
    "memory_usage",
    "current_deployment_id",
    "current_replicas",
    "created_at",
    "updated_at",
)
"""The columns that are fields of the same name."""
_frozen = msgspec.json.Decoder(Frozen)
_keys = msgspec.json.Decoder(list[str])
_STALE_AFTER = 3
Status = Literal["running", "stopped", "paused", "restarting", "starting"]


def stale_at(app: AppRow, settings: Settings) -> float:
    """Unix time from which on the last sync counts as old."""
    since = parse(app.synced_at or app.created_at).timestamp()
    return since + _STALE_AFTER * settings.sync_seconds


def to_view(app: AppRow, settings: Settings, now: float) -> App:
    frozen = _frozen.decode(app.settings)
    waiting = pending(app, frozen)
    return App(
        **{name: getattr(app, name) for name in _AS_THEY_ARE},
        **_source(app),
        **_release(app, frozen),
        **_front(app),
        url=settings.app_url(app.slug),
        preview=previews.of(app),
        status=cast("Status", app.status),
        status_synced_at=app.synced_at,
        stale=now >= stale_at(app, settings),
        pending_changes=bool(waiting),
        pending_fields=waiting,
        links=_links(app),
    )


def _source(app: AppRow) -> dict[str, Any]:
    return {"watch_paths": watch_paths_of(app), "build": build_of(app)}


def _release(app: AppRow, frozen: Frozen) -> dict[str, Any]:
    """What a deploy freezes."""
    return {
        "internal_port": port_of(app, frozen),
        "command": _words(frozen.command),
        "release_command": _words(frozen.release_command),
        "processes": processes.view_of(app, frozen),
        "env_keys": _keys.decode(app.env_keys),
        "env_secret": list(frozen.env_secret),
        "health_check": _health_check(frozen.health_check),
        "drain_seconds": frozen.drain_seconds,
    }


def _front(app: AppRow) -> dict[str, Any]:
    """What the proxy does before it."""
    kept = front.of(app)
    return {
        "domains": domains.names(app),
        "redirects": front.redirects_of(kept),
        "https_redirect": kept.https_redirect,
        "maintenance": kept.maintenance,
        "basic_auth": [front.BasicAuthUser(username=name) for name in kept.users],
    }


def _words(command: tuple[str, ...] | None) -> list[str] | None:
    return list(command) if command is not None else None


def _health_check(check: HealthCheck) -> HealthCheckView:
    return HealthCheckView(
        type=cast("Literal['http', 'tcp', 'none']", check.type),
        path=check.path,
        interval_seconds=check.interval_seconds,
        timeout_seconds=check.timeout_seconds,
        start_period_seconds=check.start_period_seconds,
    )


def etag(app: AppRow) -> str:
    """Of the settings alone: what changes by itself does not change it."""
    parts = [app.name, app.fingerprint, app.replicas, app.cpu_limit, app.memory_limit, app.watch_paths, app.auto_deploy, app.registry_id]
    parts += [app.deploy_tags, app.preview, app.preview_env, app.front, app.basic_auth, app.processes]
    return matching.etag(parts)


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
        "autoscale": f"{base}/autoscale",
        "domains": f"{base}/domains",
        "volumes": f"{base}/volumes",
    }
