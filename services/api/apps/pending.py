"""The settings of an app that wait for its next deploy: those by which a release made now would differ from the one that runs."""

import msgspec

from libs.common.messages.api import WEB, Release
from services.api.apps.models import AppRow
from services.api.apps.source import configured, decode, differing
from services.api.deployments.moves import PORT, RELEASE, Frozen, commands_of


class _Port(msgspec.Struct, frozen=True):
    """What is read of a `Release` for each app of a list."""

    port: int


_release = msgspec.json.Decoder(Release)
_port = msgspec.json.Decoder(_Port)


def port_of(app: AppRow, frozen: Frozen) -> int:
    """The port that is set, else the one that runs, whoever chose that."""
    if frozen.internal_port is not None:
        return frozen.internal_port
    return _port.decode(app.current).port if app.current is not None else PORT


def pending(app: AppRow, frozen: Frozen) -> list[str]:
    """Their names; none when nothing is live. What is not set is what the image or Procfile that runs brought."""
    if app.current is None or app.current_fingerprint == app.fingerprint:
        return []
    live = _release.decode(app.current)
    source = configured(app)
    named = differing(source, decode(app.current_source)) if source is not None else []
    wanted, runs = _wanted(app, frozen, live), _running(live)
    if source is not None:
        wanted["image"] = live.image  # it follows from the source
    return named + [name for name, value in wanted.items() if value != runs[name]]


def _wanted(app: AppRow, frozen: Frozen, live: Release) -> dict[str, object]:
    return {
        "image": app.image,
        "internal_port": frozen.internal_port or live.image_port or live.port,
        "command": frozen.command or live.procfile.get(WEB),
        "health_check": frozen.health_check,
        "drain_seconds": frozen.drain_seconds,
        "env": (app.env, frozen.shared),
        "env_secret": frozen.env_secret,
        "volumes": frozen.volumes,
        "release_command": frozen.release_command or live.procfile.get(RELEASE),
        "processes": commands_of(frozen, live.procfile),
    }


def _running(live: Release) -> dict[str, object]:
    return {
        "image": live.image,
        "internal_port": live.port,
        "command": live.command,
        "health_check": live.health_check,
        "drain_seconds": live.drain_seconds,
        "env": (live.env, live.shared_versions),
        "env_secret": live.env_secret,
        "volumes": live.volumes,
        "release_command": live.release_command,
        "processes": live.processes,
    }
