"""What follows from a decision of load."""

from libs.common.messages.metrics import AutoscaleDecided
from services.api.autoscale.policy import Decision, note
from services.api.reactions.scene import Line, Scene


async def autoscale_decided(scene: Scene, event: AutoscaleDecided) -> Line | None:
    """Kept as the last decision, and shown twice: which figure passed which target, and from how many to how many."""
    app = await scene.app(event.app_id)
    if app is None:
        return None
    decision = Decision(replicas=event.replicas, at=event.at, by="metrics", reason=event.reason)
    note(app, decision)
    scene.touch(app)
    change: dict[str, object] = {"from": event.before, "to": event.replicas}
    words = f"Scaled from {event.before} to {event.replicas} replicas by load."
    kept = {"app_id": app.id, "project_id": app.project_id}
    scene.tx.record("app.scaled", words, data={**change, "by": "autoscale"}, event_id=f"{event.event_id}.scaled", **kept)
    data: dict[str, object] = {**change, "passed": event.passed, "figures": event.figures}
    return Line(type="autoscale.decided", message=event.reason, data=data, **kept)
