"""Programs that are called for a command, and do not outlive it."""

import asyncio
import os
from pathlib import Path

import pytest

from services.builder import processes


class Enough(Exception):
    pass


async def test_one_that_is_left_while_it_writes_has_ended(tmp_path: Path) -> None:
    """Its pipe is full, and nobody reads on."""

    async def leave() -> None:
        async with processes.started(["yes"], env={"PATH": os.defpath}, cwd=tmp_path) as process:
            assert process.stdout is not None
            while not process.stdout._paused:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)
            raise Enough

    async with asyncio.timeout(30):
        with pytest.raises(Enough):
            await leave()


async def test_what_was_written_before_the_end_is_read(tmp_path: Path) -> None:
    """More than the last part is not kept, and the pipe never holds it up."""
    ended = await processes.run(
        ["sh", "-c", "yes | head -c 3000000; echo end; echo err >&2; exit 3"], env={"PATH": os.defpath}, cwd=tmp_path
    )
    assert (ended.code, ended.err) == (3, "err\n")
    assert ended.out.endswith(b"end\n")
