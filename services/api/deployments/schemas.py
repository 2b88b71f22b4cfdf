"""What the routes of deployments take and give."""

from typing import Any, Literal

import msgspec

from services.api.apps.grammar import GitRef, Image, Slug
from services.api.apps.schemas import UNSET, Settings, Unset
from services.api.deployments.moves import Phase
from services.api.http.strict import Body, DisplayName, Page

DeploymentStatusWord = Literal["queued", "building", "deploying", "live", "failed", "cancelled", "superseded"]


class FailureView(msgspec.Struct, frozen=True, kw_only=True):
    """Why it failed. `evidence`: the last lines of what was seen. `data`: numbers that belong to the code, such as `exit_code`."""

    phase: str
    code: str
    message: str
    evidence: list[str] = []
    hint: str = ""
    data: dict[str, Any] = {}


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One way of a release to its end. `failure` says why it failed; `url` is where the app answers."""

    id: str
    app_id: str
    number: int
    trigger: Literal["api", "ui", "webhook", "upload", "rollback", "autodeploy", "preview"]
    source: Literal["image", "git", "upload"]
    status: DeploymentStatusWord
    image: str | None
    image_digest: str | None
    commit: str | None = None
    commit_message: str | None = None
    ref: str | None = None
    actor: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    duration_ms: float | None
    phases: list[Phase]
    failure: FailureView | None
    url: str
    links: dict[str, str]


class DeploymentPage(Page, frozen=True, kw_only=True):
    items: list[Deployment]


class DeployBody(Body, frozen=True, kw_only=True):
    """Empty: as configured, the newest image or commit. `image` becomes the app's image; `ref` is built this once."""

    image: Image | Unset = UNSET
    ref: GitRef | Unset = UNSET


class RollbackBody(Body, frozen=True, kw_only=True):
    """Which deployment to go back to; without it the last one that was live before the current one."""

    deployment_id: str | Unset = UNSET


class DeployBySlugBody(Settings, frozen=True, kw_only=True):
    """As `DeployBody`; with `create` the project (by name or id) and the app are made when they are missing.

    With `create` the app's settings may stand beside it; they are merged into an app that is there.
    """

    create: bool = False
    project: DisplayName | Unset = UNSET
    slug: Slug | Unset = UNSET
    ref: GitRef | Unset = UNSET
