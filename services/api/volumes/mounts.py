"""The volumes in an app's settings, and who has them now. Nothing here asks the database."""

import msgspec

from libs.common.messages.api import Mount, Release
from services.api.apps import processes
from services.api.apps.models import AppRow
from services.api.apps.view import fingerprint_of
from services.api.deployments.moves import Frozen
from services.api.http.problems import Problem

_frozen = msgspec.json.Decoder(Frozen)
_release = msgspec.json.Decoder(Release)


def of(app: AppRow) -> tuple[Mount, ...]:
    """What the next deploy mounts."""
    return _frozen.decode(app.settings).volumes


def put(app: AppRow, mounts: tuple[Mount, ...]) -> None:
    frozen = _frozen.decode(app.settings)
    app.settings = msgspec.json.encode(msgspec.structs.replace(frozen, volumes=mounts)).decode()
    app.fingerprint = fingerprint_of(app)


def of_settings(settings: str) -> tuple[Mount, ...]:
    """The volumes of a release."""
    return _frozen.decode(settings).volumes


def running(app: AppRow) -> tuple[Mount, ...]:
    """What the current release and the one that is to take over mount."""
    releases = [_release.decode(text) for text in (app.current, app.candidate) if text]
    return tuple(mount for release in releases for mount in release.volumes)


def check_one_writer(app: AppRow) -> None:
    """`409 volume_one_writer` when the app is to have more replicas, of any process, than one of its volumes has writers."""
    alone = [mount for mount in (*of(app), *running(app)) if not mount.shared]
    most = max(app.replicas, app.most_replicas or 1)
    if most > 1 and alone:
        detail = f"The volume {alone[0].name} has one writer, and {app.slug} is to have up to {most} replicas."
        raise Problem("volume_one_writer", detail)
    if alone and (beside := [name for name, size in processes.in_use(app).items() if size.replicas]):
        detail = f"The volume {alone[0].name} has one writer, and {app.slug} has other processes: {', '.join(beside)}."
        raise Problem("volume_one_writer", detail)


def makes_way(app: AppRow) -> list[str]:
    """The names of volumes for which the old container of the next deploy ends before the new one begins."""
    if not app.current:
        return []
    old = {mount.volume: mount for mount in _release.decode(app.current).volumes}
    return [mount.name for mount in of(app) if mount.volume in old and not (mount.shared and old[mount.volume].shared)]
