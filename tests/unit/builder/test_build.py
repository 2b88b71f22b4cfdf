"""What a build prints, and what its end means."""

from pathlib import Path

import pytest

from libs.common.engine.connect import EngineInfo
from libs.common.messages.builder import RegistryLogin
from services.builder.build import dockerfile, limits, login
from services.builder.build.cli import Cli
from services.builder.build.limits import Limits
from services.builder.build.meaning import meaning
from services.builder.build.progress import Progress
from services.builder.build.run import plain
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


@pytest.mark.parametrize("version", ["1", "2"])
def test_limits_are_put_on_and_taken_off_again(tmp_path: Path, version: str) -> None:
    info = EngineInfo(id="x", ncpu=4, memory_mb=4096, cgroup_version=version, cgroup_driver="cgroupfs", version="20")
    values = limits.wanted(info, memory_mb=0, cpus=1.5, pids=4096, root=tmp_path)
    before = {}
    for name, _ in values.files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"was {Path(name).name}")
        before[name] = Path(name).read_text()
    held = Limits(values, tmp_path / "keep" / "limits.json")
    with held.applied(), held.applied():
        now = {Path(name).name: Path(name).read_text() for name, _ in values.files}
        assert now["pids.max"] == "4096"
        assert now["memory.max" if version == "2" else "memory.limit_in_bytes"] == str(2048 * 1024**2)
        assert now["cpu.max" if version == "2" else "cpu.cfs_quota_us"].startswith("150000")
        assert held.trouble == ""
        # A builder that was killed here left its note to the next one.
        Limits(values, tmp_path / "keep" / "limits.json").restore()
    assert {name: Path(name).read_text() for name in before} == before


def test_limits_that_cannot_be_set_are_told(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file")
    info = EngineInfo(id="x", ncpu=1, memory_mb=100, cgroup_version="1", cgroup_driver="cgroupfs", version="20")
    held = Limits(limits.wanted(info, memory_mb=0, cpus=0, pids=4096, root=tmp_path), tmp_path / "limits.json")
    with held.applied():
        assert held.trouble.startswith("builds are not limited")
