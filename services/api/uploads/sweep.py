"""Takes files out of the spool that nobody waits for: what a killed API left, and uploads of deployments that have their image or ended."""

import asyncio
import fcntl
import os
import time
from pathlib import Path

import structlog
from sqlalchemy import select

from libs.common.states import DeploymentStatus
from services.api.db.database import Database
from services.api.deployments.models import DeploymentRow, ReleaseRow

SECONDS = 0.5
_GRACE = 60.0
"""Seconds for which a file without a deployment stays: a commit whose answer was lost may still land."""
_YOUNG = 2.0
"""Seconds for which a file that grows stays without a lock: it is locked just after it is made."""
_WAITING = (DeploymentStatus.QUEUED.value, DeploymentStatus.BUILDING.value)

logger = structlog.get_logger()


async def run(db: Database, folder: Path) -> None:
    """Sweep for ever. A database that is away keeps everything where it is."""
    while True:
        await asyncio.sleep(SECONDS)
        try:
            await sweep(db, folder)
        except Exception as error:  # noqa: BLE001 - the next turn looks again
            logger.warning("spool.unswept", error=str(error) or type(error).__name__)


async def sweep(db: Database, folder: Path, grace: float = _GRACE) -> None:
    """Look once. A file that a request holds is left alone."""
    if not (names := _names(folder)):
        return
    free = [name for name in names if _is_free(folder / name)]
    waiting, known = await _of_deployments(db, [name.partition(".")[0] for name in free])
    for name in free:
        deployment_id, _, kind = name.partition(".")
        if deployment_id in waiting and kind == "tar":
            continue
        if deployment_id not in known and not _is_older(folder / name, grace if kind == "tar" else _YOUNG):
            continue
        (folder / name).unlink(missing_ok=True)
        logger.info("spool.swept", file=name)


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith("dep_")]  # noqa: PTH208 - twice a second, so no objects
    except FileNotFoundError:
        return []


async def _of_deployments(db: Database, deployment_ids: list[str]) -> tuple[set[str], set[str]]:
    """Those that wait for their image, and all that are known."""
    query = (
        select(DeploymentRow.id, DeploymentRow.status, ReleaseRow.image_id)
        .join(ReleaseRow, (ReleaseRow.app_id == DeploymentRow.app_id) & (ReleaseRow.number == DeploymentRow.number))
        .where(DeploymentRow.id.in_(deployment_ids))
    )
    async with db.connect() as connection:
        rows = (await connection.execute(query)).all()
    return {row.id for row in rows if row.status in _WAITING and row.image_id is None}, {row.id for row in rows}


def _is_free(path: Path) -> bool:
    """Nobody holds its lock: it goes with the process that had it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _is_older(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False
