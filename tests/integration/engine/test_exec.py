"""The end of a process in a real container, by a hand that may not signal it from outside."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.common.engine import containers, ending
from libs.common.engine import exec as engine_exec
from libs.common.engine.connect import Engine
from libs.common.engine.exec import Exec
from libs.common.engine.spec import ContainerSpec

Spec = Callable[..., ContainerSpec]


async def sleeping(engine: Engine, spec: Spec) -> Exec:
    """A shell that heeds no TERM, with a child."""
    container = await containers.create(engine, spec())
    await containers.start(engine, container)
    command = ("/bin/sh", "-c", "trap '' HUP TERM; sleep 97 & echo up; sleep 98; true")
    exec_id = await engine_exec.create(engine, container, command, tty=False, env={})
    process = await engine_exec.start(engine, exec_id, container, tty=False)
    assert await process.read() == (engine_exec.STDOUT, b"up\n")
    return process


@pytest.mark.parametrize("may_signal", [True, False])
async def test_all_of_its_session_ends(engine: Engine, spec: Spec, monkeypatch: pytest.MonkeyPatch, *, may_signal: bool) -> None:
    """Without the right to signal it, as a runtime that is no root, the image's own `kill` does."""
    process = await sleeping(engine, spec)

    def refuse(_pid: int, _number: int) -> None:
        raise PermissionError

    if not may_signal:
        monkeypatch.setattr(os, "kill", refuse)
    assert await ending.end(engine, process.id)
    async with asyncio.timeout(10):
        while await process.read() is not None:
            pass
        assert await process.exit_code() == 137
    process.close()
    assert await ending.end(engine, process.id)


async def test_one_on_another_machine_is_left_to_itself_and_the_log_says_so(
    engine: Engine, spec: Spec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    process = await sleeping(engine, spec)
    with monkeypatch.context() as patch, capture_logs() as said:
        patch.setattr(ending, "_PROC", tmp_path)
        assert await ending.end(engine, process.id)
    assert [(line["event"], line["exec_id"]) for line in said] == [("exec.not_ended", process.id)]
    process.close()
    assert await ending.end(engine, process.id)


async def test_the_end_of_what_the_engine_does_not_know(engine: Engine) -> None:
    assert await ending.end(engine, "0" * 64)
