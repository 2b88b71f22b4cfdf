"""Which event leads where."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from libs.common.messages.api import Recorded
from libs.common.messages.builder import DockerfileWritten, ImageFailed, ImageProgress, ImageReady, ImageStarted, SourceFetched
from libs.common.messages.metrics import AutoscaleDecided
from libs.common.messages.router import CertificateFailed, CertificateIssued
from libs.common.messages.runtime import (
    AppAhead,
    AppRemoved,
    LimitsRefused,
    ReleaseFailed,
    ReleaseLive,
    ReplicaCrashLooping,
    ReplicaDied,
    ReplicaHealthy,
    ReplicaOomKilled,
    ReplicaRemoved,
    ReplicaSlept,
    ReplicaStarted,
    ReplicaUnhealthy,
    ReplicaWoke,
    RunEnded,
    RunStarted,
    Settled,
    StrayFound,
    VolumePurged,
)
from libs.common.messages.sessions import SessionEnded
from services.api.reactions.autoscale import autoscale_decided
from services.api.reactions.certificates import certificate_failed, certificate_issued
from services.api.reactions.images import image_failed, image_progress, image_ready, image_started
from services.api.reactions.recovery import app_ahead, stray_found
from services.api.reactions.releases import app_removed, release_failed, release_live, settled
from services.api.reactions.replicas import limits_refused, replica, replica_slept, replica_woke
from services.api.reactions.runs import run_ended, run_started
from services.api.reactions.scene import Line, Scene
from services.api.reactions.sessions import session_ended
from services.api.reactions.sources import dockerfile_written, source_fetched
from services.api.reactions.volumes import volume_purged

React = Callable[[Scene, Any], Awaitable[Line | None]]
"""Returns how the event is shown in the feed, or None when it came too late to mean anything."""


class Entry(NamedTuple):
    decoder: msgspec.json.Decoder[Any]
    react: React


async def recorded(scene: Scene, event: Recorded) -> Line:
    """An event of the API itself: what it tells of is in SQL already."""
    del scene
    return Line(
        type=event.type,
        message=event.message,
        project_id=event.project_id,
        app_id=event.app_id,
        deployment_id=event.deployment_id,
        level=event.level,
        data=event.data,
    )


_REACTIONS: dict[type[msgspec.Struct], React] = {
    ImageStarted: image_started,
    ImageProgress: image_progress,
    SourceFetched: source_fetched,
    DockerfileWritten: dockerfile_written,
    ImageReady: image_ready,
    ImageFailed: image_failed,
    ReleaseLive: release_live,
    ReleaseFailed: release_failed,
    Settled: settled,
    AppRemoved: app_removed,
    ReplicaStarted: replica,
    ReplicaHealthy: replica,
    ReplicaUnhealthy: replica,
    ReplicaDied: replica,
    ReplicaOomKilled: replica,
    ReplicaCrashLooping: replica,
    ReplicaRemoved: replica,
    ReplicaSlept: replica_slept,
    ReplicaWoke: replica_woke,
    LimitsRefused: limits_refused,
    RunStarted: run_started,
    RunEnded: run_ended,
    CertificateIssued: certificate_issued,
    CertificateFailed: certificate_failed,
    AutoscaleDecided: autoscale_decided,
    AppAhead: app_ahead,
    StrayFound: stray_found,
    VolumePurged: volume_purged,
    SessionEnded: session_ended,
    Recorded: recorded,
}

TABLE = {kind.__name__: Entry(msgspec.json.Decoder(kind), react) for kind, react in _REACTIONS.items()}
