"""Builds on an engine with the systemd driver, which has no group for the steps of all of them: limited all the same."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.common.messages.builder import ImageFailed
from services.builder import processes
from services.builder.build import cli
from services.builder.build.strays import Strays
from tests import images
from tests.faults.engine import OwnEngine
from tests.integration.builder.conftest import Stage, Start
from tests.integration.builder.test_from_source import running
from tests.servers.git import GitServer

pytestmark = [pytest.mark.long, pytest.mark.skipif(not OwnEngine.is_possible(), reason="an engine of the test's own needs root")]


SYSTEMD = "--exec-opt=native.cgroupdriver=systemd"
UNIFIED = next((path for path in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (path / "cgroup.procs").exists()), None)
IN_VERSION_2 = """umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/dkt.slice/docker.service && echo $$ > /sys/fs/cgroup/dkt.slice/docker.service/cgroup.procs && exec "$@\""""


@pytest.fixture
def systemd_engine() -> Iterator[OwnEngine]:
    engine = OwnEngine(options=[SYSTEMD])
    try:
        engine.start()
        yield engine
    finally:
        engine.destroy()


async def test_steps_are_limited_and_end(stage: Stage, start: Start, git_host: GitServer, systemd_engine: OwnEngine) -> None:
    for name, step in {
        "eats": "busybox usleep 300000; busybox dd if=/dev/zero of=/dev/null bs=400M count=1",
        "forks": "for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do sleep 4715 & done; done; echo all",
        "sleeps": "echo beg''un; sleep 4715",
    }.items():
        git_host.make_repo(name, {"Dockerfile": f"FROM {images.shell()}\nRUN {step}\n"})
    systemd_engine.take(images.shell())
    await start(docker_host=systemd_engine.url, build_memory_mb=200, build_pids=64)
    for release, (name, code) in enumerate({"eats": "build_out_of_memory", "forks": "build_failed"}.items(), 1):
        command = await stage.build(git_host.url(name), release)
        await stage.done()
        ended = [event.failure.code for event in stage.all(ImageFailed)]
        assert ended[-1:] == [code], [line.message for line in await stage.log(command.deployment_id)]
    command = await stage.build(git_host.url("sleeps"), 3)
    await stage.logged(command.deployment_id, "begun")
    await stage.drop(3)
    async with asyncio.timeout(2):
        while running("4715"):
            await asyncio.sleep(0.02)
    await stage.done()


@pytest.mark.skipif(UNIFIED is None, reason="this kernel has no cgroup version 2 mounted")
async def test_steps_are_found_in_cgroup_version_2_too(tmp_path: Path) -> None:
    """Where an engine has them that sees nothing else. What else limits processes may be version 1's on this machine."""
    assert UNIFIED
    engine = OwnEngine(options=[SYSTEMD], prefix=["unshare", "--mount", "sh", "-c", IN_VERSION_2, "sh"])
    group = UNIFIED / "dkt-builds"
    group.mkdir()
    try:
        engine.start()
        engine.take(images.shell())
        (tmp_path / "Dockerfile").write_text(f"FROM {images.shell()}\nRUN sleep 4716\n")
        found = await cli.find()
        assert found
        env = {**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_HOST": engine.url}
        strays = Strays([group])
        strays.look()
        async with processes.started([found.path, "build", "--no-cache", str(tmp_path)], env=env, cwd=tmp_path), asyncio.timeout(30):
            while not (sleeping := running("4716")):
                assert strays.gather() == ""
                await asyncio.sleep(0.02)
            assert (group / "cgroup.procs").read_text().split() == sleeping
            assert not strays.processes()
    finally:
        engine.destroy()
        for folder in (group, UNIFIED / "dkt.slice"):
            for path in sorted((folder, *(each for each in folder.rglob("*") if each.is_dir())), reverse=True):
                path.rmdir()
