"""Logs of a real container."""

import asyncio
from collections.abc import Callable

from libs.common.engine import containers, logs
from libs.common.engine.connect import Engine
from libs.common.engine.spec import ContainerSpec
from tests import images

Spec = Callable[..., ContainerSpec]


async def run(engine: Engine, spec: ContainerSpec) -> str:
    container = await containers.create(engine, spec)
    await containers.start(engine, container)
    async with asyncio.timeout(20):
        await engine.call(engine.long.wait, container)
    return container


async def test_the_last_words_of_one_that_died(engine: Engine, spec: Spec) -> None:
    container = await run(engine, spec(images.exits(3)))
    lines = await logs.tail(engine, container, 10)
    assert [(line.stream, line.message) for line in lines] == [
        ("stderr", "web: reading the settings"),
        ("stderr", "web: DATABASE_URL is not set"),
    ]
    assert [line.message for line in await logs.tail(engine, container, 1)] == ["web: DATABASE_URL is not set"]
    assert [line.at for line in await logs.tail(engine, container, 10, since=lines[1].at)][-1:] == [lines[1].at]
    assert await logs.tail(engine, container, 10, since="2099-01-01T00:00:00Z") == []


async def test_long_and_broken_lines(engine: Engine, spec: Spec) -> None:
    script = r"busybox printf '%050000d\n' 7; busybox printf 'caf\351\n'; echo to-err >&2; busybox printf 'no end'"
    container = await run(engine, spec(images.shell(), command=("-c", script)))
    lines = await logs.tail(engine, container, 10)
    out = [line.message for line in lines if line.stream == "stdout"]
    assert [len(message) for message in out] == [50_000, 4, 6]
    assert out[1:] == ["caf�", "no end"]
    assert [line.message for line in lines if line.stream == "stderr"] == ["to-err"]


async def test_at_most_a_megabyte_from_the_end(engine: Engine, spec: Spec) -> None:
    script = "busybox seq 1 20000 | busybox sed 's/$/ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/'"
    container = await run(engine, spec(images.shell(), command=("-c", script)))
    lines = await logs.tail(engine, container, 20_000)
    assert lines[-1].message.startswith("20000 ")
    assert 5_000 < len(lines) < 20_000
