"""What the routes of jobs take and give."""

from typing import Annotated

import msgspec

from services.api.apps.grammar import Command
from services.api.http.strict import Body, DisplayName, Page
from services.api.runs.schemas import Run, Timeout

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET
Schedule = Annotated[str, msgspec.Meta(min_length=9, max_length=120, description="cron's five fields, such as 30 4 * * 1-5")]
TimeZone = Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="a time zone, such as UTC or Europe/Berlin")]


class NewJob(Body, frozen=True, kw_only=True):
    """A command that runs by the clock. `allow_overlap`: also while its last run is open; without it that tick is skipped."""

    name: DisplayName
    schedule: Schedule
    time_zone: TimeZone = "UTC"
    command: Command
    timeout_seconds: Timeout = 3600
    allow_overlap: bool = False
    enabled: bool = True


class JobUpdate(Body, frozen=True, kw_only=True):
    """What is left out keeps its value. The read-only fields may come back as they were read."""

    name: DisplayName | Unset = UNSET
    schedule: Schedule | Unset = UNSET
    time_zone: TimeZone | Unset = UNSET
    command: Command | Unset = UNSET
    timeout_seconds: Timeout | Unset = UNSET
    allow_overlap: bool | Unset = UNSET
    enabled: bool | Unset = UNSET
    id: str | Unset = UNSET
    app_id: str | Unset = UNSET
    next_at: str | Unset | None = UNSET
    last_run: Run | Unset | None = UNSET
    skipped: int | Unset = UNSET
    last_skipped_at: str | Unset | None = UNSET
    created_at: str | Unset = UNSET
    updated_at: str | Unset = UNSET
    links: dict[str, str] | Unset = UNSET


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A command that runs by the clock, each time as a run with this `job_id`.

    `next_at`: when it is due next; null while it is not enabled. `skipped`: how often its last run was still open then, or it could not
    begin for another reason, which the event `job.skipped` says.
    """

    id: str
    app_id: str
    name: str
    schedule: str
    time_zone: str
    command: list[str]
    timeout_seconds: int
    allow_overlap: bool
    enabled: bool
    next_at: str | None
    last_run: Run | None
    skipped: int
    last_skipped_at: str | None
    created_at: str
    updated_at: str
    links: dict[str, str]


class JobPage(Page, frozen=True, kw_only=True):
    items: list[Job]
