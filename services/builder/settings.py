"""What the builder is told."""

import os
from typing import Annotated

from msgspec import Meta

from libs.common import egress
from libs.common.config import Common, SettingError
from libs.common.disks import Percent
from services.builder.detect.plan import BASE_IMAGES

_FEW_CORES = 2


class Settings(Common, frozen=True, kw_only=True):
    """`workers` is how many images are prepared side by side; a pull that takes longer than `pull_seconds` fails.

    `spool` is the folder of uploads, by default in `home`; what an upload unpacks to is bounded by `upload_max_mb`, twice.
    While the engine's disk is `disk_full_percent` full, no image is fetched, loaded or built.

    From source: `egress_allow` names what may be reached although it is not public, `clone_seconds` and `source_max_…` bound a fetch.
    `build_concurrency` 0 is one build on two cores and half as many as cores on more. For all builds together, `build_memory_mb` 0 is half
    of the memory and `build_cpus` 0 all cores but one, and `build_pids` bounds processes. `build_seconds` and `build_disk_mb` bound one
    build, `build_cache_mb` what the engine keeps for the next ones. `base_images` are `language=image`.
    """

    secret_key: str
    docker_host: str = "unix:///var/run/docker.sock"
    workers: Annotated[int, Meta(ge=1, le=64)] = 4
    pull_seconds: Annotated[float, Meta(ge=1)] = 1800
    spool: str = ""
    upload_max_mb: Annotated[int, Meta(ge=1)] = 8192
    disk_full_percent: Percent = 95
    egress_allow: tuple[str, ...] = ()
    clone_seconds: Annotated[float, Meta(ge=1)] = 300
    source_max_mb: Annotated[int, Meta(ge=1)] = 1024
    source_max_files: Annotated[int, Meta(ge=1)] = 200_000
    build_concurrency: Annotated[int, Meta(ge=0, le=64)] = 0
    build_seconds: Annotated[float, Meta(ge=1)] = 1800
    build_memory_mb: Annotated[int, Meta(ge=0)] = 0
    build_cpus: Annotated[float, Meta(ge=0)] = 0
    build_pids: Annotated[int, Meta(ge=16)] = 4096
    build_disk_mb: Annotated[int, Meta(ge=1)] = 20_480
    build_cache_mb: Annotated[int, Meta(ge=0)] = 10_240
    base_images: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            egress.parse(self.egress_allow)
        except ValueError as error:
            raise SettingError("DOCKUP_EGRESS_ALLOW", str(error)) from error
        for entry in self.base_images:
            name, equals, image = entry.partition("=")
            if name not in BASE_IMAGES or not equals or not image or image != image.strip() or " " in image:
                takes = f"it takes LANGUAGE=IMAGE with a language of {', '.join(sorted(BASE_IMAGES))}"
                raise SettingError("DOCKUP_BASE_IMAGES", f"is {entry!r}, which does not fit: {takes}")

    @property
    def builds_at_once(self) -> int:
        cores = os.cpu_count() or 1
        return self.build_concurrency or (1 if cores <= _FEW_CORES else cores // 2)

    @property
    def replaced_images(self) -> dict[str, str]:
        return {name: image for name, _, image in (entry.partition("=") for entry in self.base_images)}
