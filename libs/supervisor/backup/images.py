"""The images of what is deployed: an image that was uploaded or built is nowhere else."""

import shutil
from pathlib import Path

from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.supervisor import engine
from libs.supervisor.backup.parts import IMAGES
from libs.supervisor.problem import Problem

_OURS = "dockup/"
_MEGABYTE = 1024**2
_LEFT = 500 * _MEGABYTE
_WITH_THE_PACKED = 1.6


def save(docker_host: str, app_ids: list[str], folder: Path) -> dict[str, list[str]]:
    """Write each image that these apps hold, once; return the files and the tags that each had."""

    async def work(opened: Engine) -> dict[str, list[str]]:
        held: dict[str, list[str]] = {}
        sizes: dict[str, int] = {}
        for tag in await images.list_tags(opened, _OURS):
            found = await images.find(opened, tag) if tag.removeprefix(_OURS).partition(":")[0] in app_ids else None
            if found is not None:
                held.setdefault(found.id, []).append(tag)
                sizes[found.id] = found.size
        refuse_without_room(folder, sum(sizes.values()))
        made: dict[str, list[str]] = {}
        for image_id, tags in held.items():
            name = f"{IMAGES}/{image_id.removeprefix('sha256:')}.tar"
            await images.save(opened, image_id, folder / name)
            made[name] = sorted(tags)
        return made

    (folder / IMAGES).mkdir()
    return engine.with_engine(docker_host, work)


def refuse_without_room(folder: Path, size: int) -> None:
    """`Problem` before the disk is full, where what runs needs it too: the images lie there as they are and once more, packed."""
    needed, free = int(size * _WITH_THE_PACKED), shutil.disk_usage(folder).free - _LEFT
    if needed > free:
        words = f"the images take up to {needed // _MEGABYTE} MB for the time of a backup, and {max(free, 0) // _MEGABYTE} MB may be taken"
        raise Problem(f"{words} at {folder.parent}; free some, or leave them out: dockup backup --no-images")


def load(docker_host: str, held: dict[str, list[str]], folder: Path) -> int:
    """Bring the images back under the tags that they had."""

    async def work(opened: Engine) -> int:
        for name, tags in held.items():
            await images.load_file(opened, folder / name)
            image_id = f"sha256:{Path(name).stem}"
            for tag in tags:
                repository, _, label = tag.rpartition(":")
                await images.tag(opened, image_id, repository, label)
        return len(held)

    return engine.with_engine(docker_host, work)
