"""What `?dry_run=true` answers: pure functions from what is and what is asked to what would be done."""

from typing import Literal

import msgspec

from services.api.apps import front
from services.api.apps.models import AppRow
from services.api.autoscale.policy import expected
from services.api.volumes.mounts import makes_way

_LIVE = {"replicas", "cpu_limit", "memory_limit", *front.FIELDS}


class PlanStep(msgspec.Struct, frozen=True, kw_only=True):
    action: str
    detail: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`downtime`: `none`, `brief` (requests wait or fail for a moment) or `full` (the app does not answer any more)."""

    plan: list[PlanStep]
    downtime: Literal["none", "brief", "full"] = "none"
    warnings: list[str] = []


def _step(action: str, detail: str) -> PlanStep:
    return PlanStep(action=action, detail=detail)


def create(slug: str, image: str | None, host: str, repo: str | None = None) -> Plan:
    steps = [_step("create_app", f"Make the app {slug}; nothing runs until it is deployed."), _step("reserve_host", host)]
    return Plan(plan=steps, warnings=[] if image or repo else ["The app has no image yet: a deploy has to name one."])


def update(app: AppRow, changed: list[str]) -> Plan:
    live = sorted(name for name in changed if name in _LIVE or name.startswith("processes."))
    later = sorted(set(changed) - set(live) - {"name"})
    steps = [_step("change_setting", name) for name in sorted(changed)]
    if live and app.current:
        steps.append(_step("apply_live", f"{', '.join(live)}: applied to what runs, at once."))
    if later and app.current:
        steps.append(_step("keep_pending", f"{', '.join(later)}: applied by the next deploy."))
    return Plan(plan=steps)


def deploy(app: AppRow, image: str, *, is_busy: bool, source: str = "image", ref: str | None = None) -> Plan:
    """`source` is where the image comes from: `image`, `upload` or `git`."""
    ways = {
        "image": _step("prepare_image", f"Find or pull {image} and pin it to its digest."),
        "upload": _step("load_image", f"Check the upload and load it as {image}."),
        "git": _step("build_image", f"Fetch {ref or 'the default branch'} of {app.git_repo_url} and build it as {image}."),
    }
    steps = [ways[source]]
    if is_busy:
        steps.insert(0, _step("supersede", "The deployment that waits for its image is superseded."))
    if names := makes_way(app):
        return _brief(steps, names)
    steps += [
        _step("start_replicas", f"Start {expected(app)} new replicas beside what serves, and wait until they are healthy."),
        _step("switch_route", "Route requests to the new replicas; probe them through the proxy."),
    ]
    if app.current:
        steps.append(_step("drain_replicas", "Let the old replicas finish their connections, then remove them."))
    return Plan(plan=steps)


def _brief(steps: list[PlanStep], volumes: list[str]) -> Plan:
    steps += [
        _step("drain_replicas", "Take the old replica out of the route, let its connections end for at most 5 seconds, and remove it."),
        _step("start_replicas", "Start the new replica, and wait until it is healthy."),
        _step("switch_route", "Route requests to the new replica; probe it through the proxy."),
    ]
    names = ", ".join(volumes)
    warning = f"Requests wait between the old replica and the new one: {names} has one writer. If the new one fails, the old release"
    return Plan(plan=steps, downtime="brief", warnings=[f"{warning} is started again."])


def remove_volume(name: str, path: str, *, purge: bool) -> Plan:
    steps = [_step("detach_volume", f"{name}: no deploy from the next one on mounts it at {path}.")]
    if purge:
        steps.append(_step("purge_volume", f"{name}: its data is destroyed."))
    return Plan(plan=steps, warnings=["Destroyed data does not come back."] if purge else [])


def remove(app: AppRow, volumes: list[str], *, purge: bool) -> Plan:
    """`volumes` are the names of those whose data is there."""
    steps = [
        _step("remove_route", f"{app.slug} does not answer any more."),
        _step("remove_replicas", f"{app.current_replicas} containers."),
        _step("remove_images", "The images that Dockup made or tagged for it."),
        *(_step("purge_volume" if purge else "keep_volume", name) for name in volumes),
        _step("keep_slug", f"The slug {app.slug} stays reserved for this project."),
    ]
    warnings = ["Destroyed data does not come back."] if purge and volumes else []
    return Plan(plan=steps, downtime="full" if app.current_replicas else "none", warnings=warnings)
