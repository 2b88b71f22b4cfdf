"""Merging what a person sends into an app's settings."""

from collections.abc import Mapping

import msgspec

from libs.common.messages.api import HealthCheck
from libs.common.secrets import Vault
from services.api.apps.grammar import HealthCheckBody, check_limits, merged_env, to_words
from services.api.apps.models import AppRow
from services.api.apps.pending import port_of
from services.api.apps.processes import count
from services.api.apps.processes import merge as merge_processes
from services.api.apps.schemas import UNSET, App, AppUpdate, Settings
from services.api.apps.source import merge_source
from services.api.apps.view import fingerprint_of
from services.api.deployments.moves import Frozen
from services.api.http.problems import FieldError, Problem, invalid
from services.api.previews import settings as previews

_frozen = msgspec.json.Decoder(Frozen)
_COLUMNS = ("name", "image", "registry_id", "deploy_tags", "replicas", "cpu_limit", "memory_limit")
_FROZEN = ("internal_port", "command", "health_check", "drain_seconds", "env_secret", "release_command", "processes")
_MOVING = frozenset(
    {
        "status_reason",
        "status_detail",
        "cpu_usage",
        "memory_usage",
        "status_synced_at",
        "stale",
        "current_deployment_id",
        "current_replicas",
        "domains",
        "pending_changes",
        "pending_fields",
        "updated_at",
    }
)
"""Read-only fields that change by themselves: in a whole resource that comes back they may be older than what is there now."""


def check_read_only(body: AppUpdate, view: App) -> None:
    """`400 read_only_field` for each read-only field that is another than what was read."""
    own = {field.name for field in msgspec.structs.fields(AppUpdate)} - {field.name for field in msgspec.structs.fields(Settings)}
    is_whole = body.id == view.id and body.created_at == view.created_at
    wrong = [name for name in sorted(own) if getattr(body, name) not in (UNSET, getattr(view, name)) and not (is_whole and name in _MOVING)]
    if wrong:
        errors = [FieldError(pointer=f"/{name}", detail="is read-only") for name in wrong]
        raise Problem("read_only_field", f"{', '.join(wrong)}: read-only.", errors=errors)


def merge(app: AppRow, body: Settings, vault: Vault, github_url: str) -> list[str]:
    """Change the row; return the names of what is another now."""
    changed = merge_source(app, body, github_url)
    changed += [name for name in _COLUMNS if _set(app, name, getattr(body, name))]
    check_limits(app.cpu_limit, app.memory_limit)
    changed += _merge_frozen(app, body)
    count(app)
    changed += previews.merge(app, body.preview, vault)
    if body.env is not UNSET and body.env and merge_env(app, body.env, vault):
        changed.append("env")
    app.fingerprint = fingerprint_of(app)
    return changed


def merge_env(app: AppRow, env: Mapping[str, str | None], vault: Vault) -> bool:
    """Merge `env` into the app's; None removes a name. The token stays the same when nothing changed."""
    before = vault.open(app.env, dict[str, str])
    after = merged_env(before, env, "/env")
    if after == before:
        return False
    app.env, app.env_keys = vault.seal(after), msgspec.json.encode(sorted(after)).decode()
    app.fingerprint = fingerprint_of(app)
    return True


def _set(app: AppRow, name: str, value: object) -> bool:
    if value is UNSET or value == getattr(app, name):
        return False
    setattr(app, name, value)
    return True


def _merge_frozen(app: AppRow, body: Settings) -> list[str]:
    before = _frozen.decode(app.settings)
    values: dict[str, object] = {}
    if body.internal_port is not UNSET and not _comes_back(app, body, before):
        values["internal_port"] = body.internal_port
    if body.drain_seconds is not UNSET:
        values["drain_seconds"] = body.drain_seconds
    if not isinstance(body.env_secret, msgspec.UnsetType):
        values["env_secret"] = tuple(sorted(set(body.env_secret)))
    if not isinstance(body.command, msgspec.UnsetType):
        values["command"] = to_words(body.command)
    if not isinstance(body.release_command, msgspec.UnsetType):
        values["release_command"] = to_words(body.release_command, "/release_command")
    if not isinstance(body.health_check, msgspec.UnsetType):
        values["health_check"] = _health_check(body.health_check)
    values["processes"], resized = merge_processes(app, before, body)
    after = msgspec.structs.replace(before, **values)
    app.settings = msgspec.json.encode(after).decode()
    return [name for name in _FROZEN if getattr(before, name) != getattr(after, name)] + resized


def _comes_back(app: AppRow, body: Settings, before: Frozen) -> bool:
    """Whether the port is the one that was shown in a whole app that comes back as it was read, and nobody's wish."""
    is_whole = isinstance(body, AppUpdate) and (body.id, body.created_at) == (app.id, app.created_at)
    return is_whole and body.internal_port == port_of(app, before)


def _health_check(body: HealthCheckBody | None) -> HealthCheck:
    if body is None:
        return HealthCheck()
    if body.type != "http" and body.path != "/":
        raise invalid("/health_check/path", f"means nothing for a check of type {body.type}")
    return HealthCheck(**{field: getattr(body, field) for field in body.__struct_fields__})
