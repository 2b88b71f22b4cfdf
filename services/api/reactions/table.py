"""Which event leads where."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from libs.common.messages.api import Recorded
from libs.common.messages.builder import DockerfileWritten, ImageFailed, ImageProgress, ImageReady, ImageStarted, SourceFetched
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
    ReplicaStarted,
    ReplicaUnhealthy,
    Settled,
    StrayFound,
)
from services.api.reactions.images import image_failed, image_progress, image_ready, image_started
from services.api.reactions.recovery import app_ahead, stray_found
from services.api.reactions.releases import app_removed, release_failed, release_live, settled
from services.api.reactions.replicas import limits_refused, replica
from services.api.reactions.scene import Line, Scene
from services.api.reactions.sources import dockerfile_written, source_fetched

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
    LimitsRefused: limits_refused,
    AppAhead: app_ahead,
    StrayFound: stray_found,
    Recorded: recorded,
}

TABLE = {kind.__name__: Entry(msgspec.json.Decoder(kind), react) for kind, react in _REACTIONS.items()}
