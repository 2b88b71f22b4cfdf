"""An app that was made and not touched yet. All its columns are said here: much reads a row before the database has filled it in."""

import msgspec

from libs.common import clock, ids
from libs.common.secrets import Vault
from libs.common.states import AppStatus, Intent
from services.api.apps.models import AppRow
from services.api.apps.source import NO_BUILD
from services.api.deployments.moves import Frozen

_SETTINGS: dict[str, object] = {
    "image": None,
    "watch_paths": "[]",
    "auto_deploy": True,
    "build": NO_BUILD,
    "deploy_tags": None,
    "preview": "{}",
    "preview_env": None,
    "settings": msgspec.json.encode(Frozen()).decode(),
    "env_keys": "[]",
    "replicas": 1,
    "cpu_limit": None,
    "memory_limit": None,
    "processes": "{}",
    "process_cpu": 0.0,
    "process_memory": 0,
    "autoscale": "{}",
    "most_replicas": None,
    "front": "{}",
    "basic_auth": None,
    "fingerprint": "",
}
_BELONGINGS: dict[str, object] = {"domains": "{}", "runs": "[]", "volumes": "{}"}
_WISH: dict[str, object] = {
    "intent": Intent.RUNNING.value,
    "release": 0,
    "revision": 0,
    "restart": 0,
    "dropped": 0,
    "op": None,
    "op_revision": 0,
    "current": None,
    "current_deployment_id": None,
    "current_fingerprint": None,
    "candidate": None,
    "candidate_deployment_id": None,
    "newest_status": None,
    "gone_at": None,
}
_SEEN: dict[str, object] = {
    "settled": 0,
    "scaled": None,
    "limits_refused": None,
    "status": AppStatus.STOPPED.value,
    "status_reason": "never_deployed",
    "status_detail": "The app was not deployed yet.",
    "current_replicas": 0,
    "cpu_usage": None,
    "memory_usage": None,
    "synced_at": None,
    "seen": None,
}


def new_row(vault: Vault, project_id: str, slug: str, name: str) -> AppRow:
    """An app that was never deployed, with an id of its own."""
    now = clock.now()
    return AppRow(
        id=ids.new("app"),
        project_id=project_id,
        slug=slug,
        name=name,
        env=vault.seal({}),
        created_at=now,
        updated_at=now,
        **_SETTINGS,
        **_BELONGINGS,
        **_WISH,
        **_SEEN,
    )
