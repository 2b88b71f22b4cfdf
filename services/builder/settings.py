"""What the builder is told."""

from typing import Annotated

from msgspec import Meta

from libs.common.config import Common
from libs.common.disks import Percent


class Settings(Common, frozen=True, kw_only=True):
    """`workers` is how many images are prepared side by side; a pull that takes longer than `pull_seconds` fails.

    `spool` is the folder of uploads, by default in `home`; what an upload unpacks to is bounded by `upload_max_mb`, twice.
    While the engine's disk is `disk_full_percent` full, no image is fetched or loaded.
    """

    docker_host: str = "unix:///var/run/docker.sock"
    workers: Annotated[int, Meta(ge=1, le=64)] = 4
    pull_seconds: Annotated[float, Meta(ge=1)] = 1800
    spool: str = ""
    upload_max_mb: Annotated[int, Meta(ge=1)] = 8192
    disk_full_percent: Percent = 95
