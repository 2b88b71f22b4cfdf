"""What `?dry_run=true` answers: pure functions from what is and what is asked to what would be done."""

from typing import Literal

import msgspec

from services.api.apps.models import AppRow

_LIVE = {"replicas", "cpu_limit", "memory_limit"}


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
    live = sorted(_LIVE & set(changed))
    later = sorted(set(changed) - _LIVE - {"name"})
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
    steps += [
        _step("start_replicas", f"Start {app.replicas} new replicas beside what serves, and wait until they are healthy."),
        _step("switch_route", "Route requests to the new replicas; probe them through the proxy."),
    ]
    if app.current:
        steps.append(_step("drain_replicas", "Let the old replicas finish their connections, then remove them."))
    return Plan(plan=steps)


def remove(app: AppRow) -> Plan:
    steps = [
        _step("remove_route", f"{app.slug} does not answer any more."),
        _step("remove_replicas", f"{app.current_replicas} containers."),
        _step("remove_images", "The images that Dockup made or tagged for it."),
        _step("keep_slug", f"The slug {app.slug} stays reserved for this project."),
    ]
    return Plan(plan=steps, downtime="full" if app.current_replicas else "none")
