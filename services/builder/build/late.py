"""Images that come late: the engine may be finishing one when its command line is gone, and then nobody gives it a name.

Each attempt at a build that was cut off has a note, an empty file by its name, for as long as an engine may take for an image.
"""

import asyncio
import time
from pathlib import Path

import structlog

from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError

FOLDER = "late"
LABEL = "dockup.attempt"
"""On every image that is built here: the attempt that made it, which is the name of its folder."""
_PAUSE = 60.0
_KEPT_SECONDS = 3600.0

logger = structlog.get_logger()


class Late:
    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def note(self, attempt: str) -> None:
        """It was cut off: what it comes to is nobody's."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / attempt).touch(mode=0o600)

    async def keep_removed(self, engine: Engine) -> None:
        """Every minute remove what has come."""
        while True:
            try:
                await self.remove(engine)
            except (EngineAway, EngineError) as error:
                logger.info("build.late_not_removed", error=str(error))
            await asyncio.sleep(_PAUSE)

    async def remove(self, engine: Engine) -> None:
        """Remove what has come, and the notes that are an hour old."""
        for note in sorted(self._folder.glob("*")):
            is_over = time.time() - note.stat().st_mtime > _KEPT_SECONDS
            await images.remove_unnamed(engine, f"{LABEL}={note.name}")
            if is_over:
                note.unlink(missing_ok=True)
