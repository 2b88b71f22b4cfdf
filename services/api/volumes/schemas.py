"""What the routes of volumes take and give."""

from typing import Annotated, Literal

import msgspec

from services.api.http.strict import Body, Page
from services.api.jobs.schemas import Schedule as CronFields
from services.api.jobs.schemas import TimeZone

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, description="1 to 32 of a-z, 0-9, _ and -")]
Path = Annotated[str, msgspec.Meta(min_length=1, max_length=1024, description="an absolute path in the container, such as /data")]
VolumeId = Annotated[str, msgspec.Meta(pattern=r"^vol_[0-9a-z]{1,36}$", description="the id of a volume")]
State = Literal["attached", "detached", "purging"]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """When a volume is backed up, as the table keeps it."""

    schedule: str
    time_zone: str
    keep: int


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """One backup of a volume on the server: a tar archive under gzip in `backups/volumes/{volume_id}` of the state folder."""

    name: str
    at: str
    size_bytes: int


class BackupPage(Page, frozen=True, kw_only=True):
    items: list[Backup]


class BackupView(Schedule, frozen=True, kw_only=True):
    """`next_at` is when the next is due."""

    next_at: str | None = None


class BackupBody(Body, frozen=True, kw_only=True):
    """`schedule` is cron's five fields in `time_zone`; the newest `keep` backups are kept. `next_at` is read-only."""

    schedule: CronFields
    time_zone: TimeZone = "UTC"
    keep: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 7
    next_at: str | Unset | None = UNSET


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """Data of an app that outlives its containers. `mount_path` is where it stands in them, or stood last.

    `state`: `attached`, the next deploy mounts it; `detached`, the data is kept and no deploy mounts it; `purging`, the data is being
    destroyed. `in_use`: what runs, or is about to, has it mounted. Unless it is `shared`, one container at a time has it. `size_bytes` is
    as of `measured_at`, null before that. `backup`: it is backed up by the clock.
    `last_backup_error` is why the last backup failed, null where it is whole.
    """

    id: str
    name: str
    mount_path: str
    size_bytes: int | None
    created_at: str
    app_id: str
    shared: bool
    state: State
    in_use: bool
    measured_at: str | None
    backup: BackupView | None = None
    last_backup_at: str | None = None
    last_backup_error: str | None = None
    links: dict[str, str]


class VolumePage(Page, frozen=True, kw_only=True):
    items: list[Volume]


class VolumeGone(msgspec.Struct, frozen=True, kw_only=True):
    """The volume and its data are gone."""

    id: str
    name: str
    purged: bool


class NewVolume(Body, frozen=True, kw_only=True):
    """A volume to mount from the next deploy on; `mount_path` is in the container. Dockup chooses where the data stands on the server.

    A detached volume of that name is attached again, with its data; so is one of an app of the same slug that was deleted. `adopt` names
    a volume of any deleted app of the project. `shared`: several containers may have it at once, and the app sees to it that they do
    not harm each other; otherwise the old container of a deploy ends before the new one begins, and the app has one replica.
    """

    name: Name
    mount_path: Path
    shared: bool = False
    adopt: VolumeId | Unset = UNSET


class VolumeUpdate(Body, frozen=True, kw_only=True):
    """What is left out keeps its value. `mount_path` and `shared` count from the next deploy on.

    The read-only fields may come back as they were read.
    """

    mount_path: Path | Unset = UNSET
    shared: bool | Unset = UNSET
    backup: BackupBody | Unset | None = UNSET
    id: str | Unset = UNSET
    name: str | Unset = UNSET
    size_bytes: int | Unset | None = UNSET
    created_at: str | Unset = UNSET
    app_id: str | Unset = UNSET
    state: str | Unset = UNSET
    in_use: bool | Unset = UNSET
    measured_at: str | Unset | None = UNSET
    last_backup_at: str | Unset | None = UNSET
    last_backup_error: str | Unset | None = UNSET
    links: dict[str, str] | Unset = UNSET
