"""What follows from the builder's word on a source: which commit it is, and the Dockerfile that was written for it."""

from libs.common.messages.builder import DockerfileWritten, SourceFetched
from services.api.reactions.images import line, waiting
from services.api.reactions.scene import Line, Scene

_SHOWN = 12
"""Digits of a commit that a sentence shows."""


async def source_fetched(scene: Scene, event: SourceFetched) -> Line | None:
    found = await waiting(scene, event.deployment_id)
    if found is None:
        return None
    app, deployment = found
    deployment.asked_at = event.at
    deployment.commit, deployment.commit_message = event.commit, event.subject
    deployment.ref = event.ref or deployment.ref
    of = f" of {deployment.ref}" if deployment.ref else ""
    message = f"Deployment {deployment.number}: commit {event.commit[:_SHOWN]}{of}: {event.subject}"
    data: dict[str, object] = {"commit": event.commit, "ref": deployment.ref, "subject": event.subject, "author": event.author}
    return line(app, deployment, "deployment.source", message, data)


async def dockerfile_written(scene: Scene, event: DockerfileWritten) -> Line | None:
    found = await waiting(scene, event.deployment_id)
    if found is None:
        return None
    app, deployment = found
    deployment.asked_at = event.at
    deployment.dockerfile = event.dockerfile
    message = f"Deployment {deployment.number}: the source has no Dockerfile; one for {event.kind} was written: {event.reason}"
    return line(app, deployment, "deployment.dockerfile", message, {"kind": event.kind, "reason": event.reason})
