"""What a build prints, and what its end means."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from libs.common.engine.connect import EngineInfo
from libs.common.messages.builder import BuildImage, RegistryLogin
from services.builder.build import dockerfile, limits, login, others, remote
from services.builder.build.claims import Claims
from services.builder.build.cli import Cli
from services.builder.build.limits import Limits, Values
from services.builder.build.lines import plain
from services.builder.build.meaning import meaning
from services.builder.build.progress import Progress
from services.builder.build.strays import Strays
from services.builder.failed import Failed

BEFORE_BUILDX = """\
#1 [internal] load build definition from Dockerfile
#1 sha256:be28ccee7c70c9790adff0a8adbe4ac8c86f7cf10e2e6cbb37bb3e5fbbd0e2a5
#1 transferring dockerfile: 71B 0.0s done
#1 DONE 0.0s

#3 [internal] load metadata for docker.io/library/alpine:3
#3 DONE 0.1s

#4 [build 1/2] FROM docker.io/library/alpine:3@sha256:d228d4650931b7d759986fb85ff84fa0799ebe133102eea9aa5e9ed5ee679570
#4 CACHED

#5 [build 2/2] RUN echo a; printf b; exit 3
#5 sha256:c2e42e9350bb3412cf69807fc7428e26a04d56eca2155c1c3dab754b70b44aa2
#5 0.337 a
#5 0.338 b#5 ERROR: executor failed running [/bin/sh -c echo a; printf b; exit 3]: exit code: 3
------
 > [build 2/2] RUN echo a; printf b; exit 3:
------
executor failed running [/bin/sh -c echo a; printf b; exit 3]: exit code: 3
"""
WITH_BUILDX = """\
#0 building with "default" instance using docker driver
#4 [1/2] FROM docker.io/library/alpine:3
#4 resolve docker.io/library/alpine:3 done
#4 sha256:aa 1.05MB / 3.4MB 0.2s
#4 ...
#5 [2/2] RUN true
#5 0.100
#5 0.200   indented
#5 DONE 1.2s
#6 exporting to image
#6 exporting layers 0.0s done
#6 DONE 0.0s
"""


def taken(text: str) -> tuple[Progress, list[tuple[int, str, float | None]]]:
    progress = Progress()
    return progress, [(line.step, line.message, line.duration_ms) for each in text.splitlines() for line in progress.take(each)]


def test_the_output_of_an_older_engine() -> None:
    progress, lines = taken(BEFORE_BUILDX)
    assert lines == [
        (4, "[build 1/2] FROM docker.io/library/alpine:3@sha256:d228d4650931b7d759986fb85ff84fa0799ebe133102eea9aa5e9ed5ee679570", None),
        (4, "cached", 0.0),
        (5, "[build 2/2] RUN echo a; printf b; exit 3", None),
        (5, "a", None),
        (5, "b", None),
        (5, "failed: executor failed running [/bin/sh -c echo a; printf b; exit 3]: exit code: 3", None),
    ]
    assert set(progress.images) == {"docker.io/library/alpine:3"}
    assert progress.failed is progress.now
    assert progress.failed
    assert (progress.failed.place, progress.failed.exit_code) == ((2, 2), 3)


def test_the_output_of_buildx() -> None:
    progress, lines = taken(WITH_BUILDX)
    assert lines == [
        (0, 'building with "default" instance using docker driver', None),
        (4, "[1/2] FROM docker.io/library/alpine:3", None),
        (5, "[2/2] RUN true", None),
        (5, "", None),
        (5, "  indented", None),
        (5, "done", 1200.0),
        (6, "exporting to image", None),
        (6, "done", 0.0),
    ]
    assert progress.failed is None


@pytest.mark.parametrize(
    ("image", "line"),
    [
        ("a/b:1", "[internal] load metadata for a/b:1"),
        ("a/b:1", "[stage-0 1/2] FROM a/b:1@sha256:00"),
        ("a/b:1", "FROM a/b:1"),
        ("a/b:1", "resolve image config for docker-image://a/b:1"),
        ("a/b:1", "resolve image config for a/b:1"),
    ],
)
def test_the_images_that_a_build_asks_for(image: str, line: str) -> None:
    progress, _ = taken(f"#3 {line}")
    assert progress.images == [image]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"#5 0.3 \x1b[31mred\x1b[0m", "#5 0.3 red"),
        (b"#5 0.3 10%\r50%\r100%\r\n", "#5 0.3 100%"),
        (b"\xff\x00a", "\ufffda"),
        (b"10%\r20%", "20%"),
    ],
)
def test_what_is_for_terminals_alone(raw: bytes, text: str) -> None:
    assert plain(raw) == text


def end(error: str, *last: str, name: str = "[2/3] RUN x") -> Failed:
    progress, _ = taken(f"#5 {name}\n#5 ERROR: {error}")
    return meaning(progress, last)


@pytest.mark.parametrize(
    ("error", "last", "code", "hint"),
    [
        ("executor failed running [x]: exit code: 137", (), "build_out_of_memory", "DOCKUP_BUILD_MEMORY_MB"),
        ('process "/bin/sh -c x" did not complete successfully: exit code: 137', (), "build_out_of_memory", ""),
        ("exit code: 1", ("make: *** signal: killed",), "build_out_of_memory", ""),
        ("exit code: 1", ("write: no space left on device",), "disk_full", ""),
        ("exit code: 1", ("npm error code EUSAGE",), "build_failed", "lock file"),
        ("exit code: 1", ("ERR_PNPM_NO_LOCKFILE",), "build_failed", "lock file"),
        ("exit code: 1", ("error: Unable to find lockfile at uv.lock: not found",), "build_failed", "lock file"),
        ("exit code: 1", ("npm error code E401",), "build_failed", "private dependency"),
        ("exit code: 128", ("fatal: could not read Username for 'https://github.com'",), "build_failed", "private dependency"),
        ("exit code: 1", ("getaddrinfo EAI_AGAIN registry.npmjs.org",), "build_failed", "network"),
        ("exit code: 134", ("FATAL ERROR: JavaScript heap out of memory",), "build_failed", "NODE_OPTIONS"),
        ('failed to compute cache key: "/x" not found: not found', (), "build_failed", "root_directory"),
        ("exit code: 1", ("exec format error",), "build_failed", "processor"),
        ("exit code: 126", ("./run.sh: Permission denied",), "build_failed", "chmod"),
        ("exit code: 127", ("sh: make: command not found",), "build_failed", "earlier step"),
        ("exit code: 9", ("something else",), "build_failed", "evidence"),
    ],
)
def test_ends_of_a_step(error: str, last: tuple[str, ...], code: str, hint: str) -> None:
    failure = end(error, *last).failure
    assert failure.code == code
    assert hint in (failure.hint or "")
    assert failure.evidence


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("docker.io/library/none:9: not found", "base_image_not_found"),
        ("pull access denied, repository does not exist or may require authorization", "base_image_not_found"),
        ("failed to do request: dial tcp: lookup x: no such host", "registry_unreachable"),
        ("failed to authorize: 401 Unauthorized", "base_image_not_found"),
    ],
)
def test_ends_of_a_base_image(error: str, code: str) -> None:
    failure = end(error, name="[internal] load metadata for docker.io/library/none:9").failure
    assert failure.code == code
    assert failure.message.startswith("none:9")


def test_a_dockerfile_that_cannot_be_read() -> None:
    progress, _ = taken("failed to solve: dockerfile parse error line 2: unknown instruction: BAD")
    assert meaning(progress, ()).failure.message == "The Dockerfile cannot be read."


@pytest.mark.parametrize(
    "text", ["# syntax=docker/dockerfile:1\nFROM x", "#syntax = docker.io/docker/dockerfile:1.7-labs\n", "FROM x\n# syntax=evil"]
)
def test_dockerfiles_that_are_taken(text: str) -> None:
    dockerfile.check(text)


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=evil/x\nFROM x",
        "\ufeff#syntax=evil",
        "# a\n# SYNTAX = evil",
        "// syntax=evil",
        '{"syntax": "evil"}',
        "# syntax=docker/dockerfile-evil",
    ],
)
def test_frontends_that_are_not(text: str) -> None:
    with pytest.raises(Failed) as error:
        dockerfile.check(text)
    assert error.value.failure.code == "unsafe_source"


def test_build_arguments() -> None:
    assert dockerfile.arguments({"A": "-x y", "_b": ""}) == ["--build-arg", "A=-x y", "--build-arg", "_b="]
    for name in ("", "-x", "A=B", "BUILDKIT_SYNTAX", "a b", "1A"):
        with pytest.raises(Failed):
            dockerfile.arguments({name: "x"})
    with pytest.raises(Failed):
        dockerfile.arguments({"A": "x\0y"})
    with pytest.raises(Failed):
        dockerfile.secret_name("../x")


def test_logins_are_for_their_registries_alone(tmp_path: Path) -> None:
    config = login.write(tmp_path, Cli(path="docker"), [RegistryLogin(server="docker.io", username="a", password="b")])
    assert (config / "config.json").read_text() == '{"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}}}'
    assert (config / "config.json").stat().st_mode & 0o777 == 0o600
    assert login.auths([RegistryLogin(server="r.corp:5000", username="a", password="b")]) == {"r.corp:5000": {"auth": "YTpi"}}


def group(tmp_path: Path, version: str = "1", **wanted: int) -> Values:
    """The limits of a builder, in a cgroup that has none yet."""
    info = EngineInfo(id="x", ncpu=4, memory_mb=4096, cgroup_version=version, cgroup_driver="cgroupfs", version="20")
    values = limits.wanted(info, **{"memory_mb": 0, "cpus": 1.5, "pids": 4096, **wanted}, root=tmp_path)
    for name, _ in values.files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if not Path(name).exists():
            Path(name).write_text(f"was {Path(name).name}")
    return values


def standing(values: Values) -> dict[str, str]:
    return {Path(name).name: Path(name).read_text() for name, _ in values.files}


@pytest.mark.parametrize("version", ["1", "2"])
def test_limits_are_put_on_and_taken_off_again(tmp_path: Path, version: str) -> None:
    values = group(tmp_path, version)
    before = standing(values)
    held = Limits(values, Claims(tmp_path / "claims"))
    with held.applied(), held.applied():
        now = standing(values)
        assert now["pids.max"] == "4096"
        assert now["memory.max" if version == "2" else "memory.limit_in_bytes"] == str(2048 * 1024**2)
        assert now["cpu.max" if version == "2" else "cpu.cfs_quota_us"].startswith("150000")
        assert held.trouble == ""
        # Another builder starts: what is on is somebody's.
        Limits(values, Claims(tmp_path / "claims")).settle()
        assert standing(values) == now
    assert standing(values) == before


def test_of_several_builders_limits_the_strictest_hold_until_the_last_has_built(tmp_path: Path) -> None:
    first = Limits(group(tmp_path, memory_mb=200, pids=4096), Claims(tmp_path / "claims"))
    second = Limits(group(tmp_path, memory_mb=900, pids=100), Claims(tmp_path / "claims"))
    values = group(tmp_path)
    before = standing(values)

    def on() -> tuple[int, int]:
        now = standing(values)
        return int(now["memory.limit_in_bytes"]) // 1024**2, int(now["pids.max"])

    with second.applied():
        assert on() == (900, 100)
        with first.applied():
            assert on() == (200, 100)
            assert (first.trouble, second.trouble, second.are_shared()) == ("", "", True)
        assert on() == (900, 100)
        last = contextlib.ExitStack()
        last.enter_context(first.applied())
    with last:
        assert on() == (200, 4096)
        assert not first.are_shared()
    assert standing(values) == before


def test_limits_that_a_killed_builder_left_are_taken_off_by_the_next(tmp_path: Path) -> None:
    values = group(tmp_path)
    before = standing(values)
    child = os.fork()
    if not child:
        with Limits(values, Claims(tmp_path / "claims")).applied():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert standing(values) != before
    Limits(values, Claims(tmp_path / "claims")).settle()
    assert standing(values) == before
    assert not list((tmp_path / "claims").glob("*.claim"))


def test_limits_that_cannot_be_set_are_told(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file")
    info = EngineInfo(id="x", ncpu=1, memory_mb=100, cgroup_version="1", cgroup_driver="cgroupfs", version="20")
    held = Limits(limits.wanted(info, memory_mb=0, cpus=0, pids=4096, root=tmp_path), Claims(tmp_path / "claims"))
    with held.applied():
        assert held.trouble.startswith("builds are not limited")


def test_limits_that_could_not_be_claimed_once_are_put_on_the_next_time(tmp_path: Path) -> None:
    values = group(tmp_path)
    before = standing(values)
    folder = tmp_path / "claims"
    folder.write_text("no folder, as on a disk that is full")
    held = Limits(values, Claims(folder))
    with pytest.raises(FileExistsError), held.applied():
        pass
    folder.unlink()
    with held.applied():
        assert standing(values) != before
    assert standing(values) == before


@pytest.mark.parametrize(("version", "own"), [("1", "4:memory,pids:/system.slice/docker.service"), ("2", "0::/lxc/x/docker.service")])
async def test_steps_of_an_engine_with_the_systemd_driver_are_taken_into_a_group(tmp_path: Path, version: str, own: str) -> None:
    """Files stand for the kernel's, as Docker Engine 20.10 and runc 1.1 were seen to make them."""
    top = tmp_path / "cgroup"
    info = EngineInfo(id="x", ncpu=2, memory_mb=1024, cgroup_version=version, cgroup_driver="systemd", version="20")
    values = limits.wanted(info, memory_mb=0, cpus=1, pids=64, root=top)
    group = Path(values.files[0][0]).parent
    assert group == (top / "dockup-builds" if version == "2" else top / "memory" / "dockup-builds")
    engine = tmp_path / "proc" / "7"
    engine.mkdir(parents=True)
    (engine / "comm").write_text("dockerd\n")
    (engine / "cgroup").write_text(f"{own}\n")
    place = top / "lxc/x" if version == "2" else top / "memory/system.slice/docker.service"
    step = place / "system.slice:docker:abc" / "inner"
    step.mkdir(parents=True)
    (step / "cgroup.procs").write_text("11\n12\n")
    (place / "docker-1.scope").mkdir()
    (place / "docker-1.scope" / "cgroup.procs").write_text("13\n")
    group.mkdir(parents=True)
    strays = Strays([group], tmp_path / "proc")
    strays.look()
    assert strays.processes() == {11, 12}
    assert strays.gather() == ""
    assert (group / "cgroup.procs").read_text() == "12"


def test_a_repositorys_own_builder_image_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`project.toml` may name it: a trusted one is run as root, with the engine's socket."""
    program = tmp_path / "pack"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PACK_HOME", "/etc/pack")
    monkeypatch.setenv("DOCKUP_SECRET_KEY", "none of its business")
    message = BuildImage(
        command_id="c", app_id="app_1", deployment_id="dep_1", release=2, url="https://h/x", builder="pack", args={"A": "b"}
    )
    words = others.command(message, tmp_path)
    assert words == [str(program), "build", "dockup/app_1:r2", "--path", str(tmp_path), "--no-color", "--env", "A=b"]
    assert others.environment() == {"PACK_HOME": "/etc/pack"}


def test_lines_that_would_take_minutes_to_look_through() -> None:
    progress = Progress()
    for line in ("#5 [2/2] RUN make", "#5 ERROR: exit code: 2"):
        progress.take(line)
    last = tuple((".lock " * 2_600 + "npm ci ") for _ in range(50))
    began = time.monotonic()
    assert meaning(progress, last).failure.code == "build_failed"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ADD https://a.example/x /y", ["https://a.example/x"]),
        ("add --chown=1:1 \\\n  http://10.0.0.1:80/x \\\n  b.txt /y/", ["http://10.0.0.1:80/x"]),
        ('ONBUILD ADD ["https://a.example/x y", "/y"]', ["https://a.example/x"]),
        ("ADD 'git://a.example/x.git#main' /y", ["git://a.example/x.git#main"]),
        ("ARG V\nADD https://a.example/$V /y", ["https://a.example/"]),
        ("ADD https://$HOST/x https://a.example$END/x https://a.example:$PORT/x $ALL /y", []),
        ("# ADD https://a.example/x /y\nCOPY https://a.example/x /y\nRUN wget https://a.example/x\nADD x /y", []),
        ("ADD [not json https://a.example/x", ["https://a.example/x"]),
    ],
)
def test_addresses_that_a_dockerfile_adds(text: str, found: list[str]) -> None:
    assert remote.sources(text) == found


def test_addresses_that_the_engine_names() -> None:
    progress = Progress()
    for line in (
        "#4 http://127.0.0.1/x",
        "#5 [2/3] ADD https://a.example/x b.txt /y",
        "#6 [3/3] RUN wget http://b.example",
        "#4 DONE 0.1s",
    ):
        progress.take(line)
    assert progress.fetched == ["http://127.0.0.1/x", "https://a.example/x"]
