"""What the routes of runs take and give."""

from typing import Annotated, Literal

import msgspec
from litestar.params import Parameter

from services.api.apps.grammar import Command
from services.api.deployments.schemas import FailureView
from services.api.http.strict import Body, Page

StatusWord = Literal["queued", "running", "succeeded", "failed", "cancelled", "timed_out"]
TriggerWord = Literal["api", "job"]
Timeout = Annotated[int, msgspec.Meta(ge=1, le=86_400, description="whole seconds, 1 to 86400")]
Tail = Annotated[int, Parameter(ge=1, le=10_000, description="How many lines from the end.")]
OfJob = Annotated[str | None, Parameter(max_length=40, description="Only runs of this job.")]


class NewRun(Body, frozen=True, kw_only=True):
    """A command for the app's image: a list, or a string that is split as a POSIX shell would, and never run by one.

    The image's entry point comes before it, as with the app's `command`.
    """

    command: Command
    timeout_seconds: Timeout = 3600


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A one-off command in a container of its own. `release`: the number of the deployment whose image and env it has, once it runs.

    `cancel_requested_at`: somebody asked for its end. `failure` says why it failed or was too slow.
    """

    id: str
    app_id: str
    command: list[str]
    status: StatusWord
    exit_code: int | None
    trigger: TriggerWord
    job_id: str | None
    actor: str
    release: int | None
    timeout_seconds: int
    failure: FailureView | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    cancel_requested_at: str | None
    links: dict[str, str]


class RunPage(Page, frozen=True, kw_only=True):
    items: list[Run]


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line, secrets masked; `stream` is `stdout` or `stderr`."""

    at: str
    stream: str
    message: str


class RunLog(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first. `truncated`: older lines did not fit into the answer. `ended`: nothing will be added."""

    items: list[RunLine]
    truncated: bool
    ended: bool
