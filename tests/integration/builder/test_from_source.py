"""From a commit to an image, on a real engine."""

import asyncio
import base64
import contextlib
import os
import secrets
from pathlib import Path

import pytest

from libs.common import ids
from libs.common.engine.connect import Engine
from libs.common.messages.builder import (
    BuildLine,
    DockerfileWritten,
    GitLogin,
    ImageFailed,
    ImageReady,
    ImageStarted,
    RegistryLogin,
    SourceFetched,
)
from services.builder.build import claims, cli, late
from services.builder.build.late import Late
from services.builder.settings import Settings
from tests import archives, images
from tests.conftest import DOCKER_HOST
from tests.integration.builder.conftest import PATIENCE, Stage, Start
from tests.integration.builder.test_once import process
from tests.servers import registry
from tests.servers.gateway import Gateway
from tests.servers.git import PASSWORD, USER, GitServer
from tests.servers.registry import RegistryServer

SECRET = "correct horse battery/staple+42"


def dockerfile(*steps: str) -> str:
    """With a line that is never the same, so that no step is in the engine's cache from another run."""
    return "\n".join([f"FROM {images.shell()}", f"ENV RUN={secrets.token_hex(8)}", *steps]) + "\n"


def texts(lines: list[BuildLine]) -> str:
    return "\n".join(line.message for line in lines)


async def test_a_commit_becomes_the_releases_image_and_is_cached_then(
    stage: Stage, start: Start, git_host: GitServer, settings: Settings
) -> None:
    files = {
        "Dockerfile": dockerfile("ARG NAME", "COPY a.txt /a.txt", "RUN echo hello $NAME && cat /a.txt > /b.txt"),
        "a.txt": secrets.token_hex(8),
        "Procfile": "web: serve\nworker: cat /b.txt\nrelease: echo $NAME\n",
    }
    sha = git_host.make_repo("app", files)
    await start()
    command = await stage.build(git_host.url("app"), args={"NAME": "world"})
    ready = await stage.hear(ImageReady)
    await stage.done()
    assert [name for name, _ in stage.events if name != "ImageProgress"] == ["ImageStarted", "SourceFetched", "ImageReady"]
    fetched = stage.all(SourceFetched)[0]
    assert (fetched.commit, fetched.subject, fetched.author, fetched.ref) == (sha, "A change", "Ada <ada@example.com>", "main")
    assert not ready.found
    assert ready.procfile == {"worker": ("cat", "/b.txt"), "release": ("sh", "-c", "exec echo $NAME")}
    seen = images.client().inspect_image(f"dockup/{stage.app_id}:r1")
    assert seen["Id"] == ready.image_id
    assert seen["Config"]["Labels"]["dockup.build"] == command.deployment_id
    assert seen["Config"]["Labels"]["org.opencontainers.image.revision"] == sha
    lines = await stage.log(command.deployment_id)
    wrote = next(line for line in lines if line.stream == "stdout")
    assert wrote.message == "hello world"
    step = [line for line in lines if line.step == wrote.step]
    assert "RUN echo hello" in step[0].message
    assert step[-1].message == "done"
    assert step[-1].duration_ms is not None

    again = await stage.build(git_host.url("app"), release=2, args={"NAME": "world"})
    await stage.done()
    cached = [line.message for line in await stage.log(again.deployment_id)]
    assert cached.count("cached") >= 2
    assert "hello world" not in cached
    assert not left(settings)


async def test_what_is_here_already_is_not_built_again(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("app", {"Dockerfile": dockerfile("RUN echo once")})
    await start()
    command = await stage.build(git_host.url("app"))
    await stage.done()
    length = len(await stage.log(command.deployment_id))
    await stage.bus.publish(f"dockup.cmd.builder.BuildImage.{stage.app_id}", command, "another")
    await stage.done()
    assert len(await stage.log(command.deployment_id)) == length
    assert [event.event_id for event in stage.all(ImageReady)] == [f"{command.command_id}.ready"]


async def test_secrets_reach_the_step_and_nothing_else(stage: Stage, start: Start, closed_host: GitServer) -> None:
    steps = (
        "RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN; echo; dd if=/run/secrets/TOKEN bs=9 count=1 2>/dev/null",
        "RUN --mount=type=secret,id=TOKEN busybox base64 /run/secrets/TOKEN",
        f"RUN echo {PASSWORD}",
        "RUN --mount=type=secret,id=TOKEN echo failing with $(cat /run/secrets/TOKEN); exit 7",
    )
    closed_host.make_repo("app", {"Dockerfile": dockerfile(*steps)})
    await start()
    command = await stage.build(
        closed_host.url("app"), login=GitLogin(username=USER, password=PASSWORD), env={"TOKEN": SECRET, "OTHER": "x"}, secrets=("TOKEN",)
    )
    failed = (await stage.hear(ImageFailed)).failure
    assert (failed.code, failed.data["exit_code"]) == ("build_failed", 7)
    everything = texts(await stage.log(command.deployment_id)) + str(stage.events) + str(failed)
    coded = base64.b64encode(SECRET.encode()).decode().rstrip("=")
    for text in (SECRET, coded, PASSWORD, SECRET[:9]):
        assert text not in everything
    assert "failing with ••••••••" in failed.evidence


async def test_a_builds_failures(stage: Stage, start: Start, git_host: GitServer) -> None:
    for name, text in {
        "step": dockerfile("RUN echo before; echo npm error code EUSAGE; exit 3"),
        "copy": dockerfile("COPY gone.txt /"),
        "bad": dockerfile("NONSENSE x"),
        "base": "FROM 127.0.0.1:1/nobody/none:1\n",
        "syntax": "# syntax=evil/frontend\nFROM scratch\n",
    }.items():
        git_host.make_repo(name, {"Dockerfile": text})
    git_host.make_repo("none", {"notes.md": "nothing"})
    await start()
    codes = {}
    for release, name in enumerate(("step", "copy", "bad", "base", "syntax", "none", "missing"), 1):
        await stage.build(git_host.url(name), release)
        await stage.done()
        codes[name] = stage.all(ImageFailed)[-1].failure
    assert {name: failure.code for name, failure in codes.items()} == {
        "step": "build_failed",
        "copy": "build_failed",
        "bad": "build_failed",
        "base": "registry_unreachable",
        "syntax": "unsafe_source",
        "none": "nothing_detected",
        "missing": "repository_not_found",
    }
    step = codes["step"]
    assert step.data["exit_code"] == 3
    assert "before" in step.evidence
    assert "lock file" in (step.hint or "")
    assert "copies is not there" in (codes["copy"].hint or "")
    assert "notes.md" in codes["none"].message


async def test_another_apps_image_is_nobodys_base(stage: Stage, start: Start, git_host: GitServer) -> None:
    other = "dockup/app_0123456789abcdef"
    images.client().tag(images.web(), other, "r1")
    try:
        git_host.make_repo("from", {"Dockerfile": f"FROM {other}:r1\nRUN echo stolen\n"})
        git_host.make_repo("copy", {"Dockerfile": dockerfile(f"COPY --from={other}:r1 /web /stolen")})
        git_host.make_repo("arg", {"Dockerfile": f"ARG A=dockup\nFROM docker.io/$A/{other.partition('/')[2]}:r1\nRUN echo stolen\n"})
        await start()
        for release, name in enumerate(("from", "copy", "arg"), 1):
            command = await stage.build(git_host.url(name), release)
            await stage.done()
            assert stage.all(ImageFailed)[-1].failure.code == "base_image_not_found"
            assert len(stage.all(ImageFailed)) == release
            assert "stolen" not in [line.message for line in await stage.log(command.deployment_id)]
            assert not images.client().images(name=f"dockup/{stage.app_id}")
    finally:
        images.client().remove_image(f"{other}:r1")


@pytest.mark.long
async def test_what_builds_of_one_app_leave_is_for_no_other_app(stage: Stage, start: Start, git_host: GitServer) -> None:
    """Neither what a step put into a cache mount, nor what a step came to by a secret of the other's."""
    steps = (
        "RUN --mount=type=cache,target=/kept echo kept: $(ls /kept); echo x > /kept/poison",
        "RUN --mount=type=secret,id=TOKEN echo made of $(busybox md5sum /run/secrets/TOKEN)",
    )
    text = dockerfile(*steps)
    first = git_host.make_repo("app", {"Dockerfile": text})
    git_host.commit("app", {"Dockerfile": text.replace("ENV RUN", "ENV AGAIN")})
    own, other = stage.app_id, ids.new("app")
    await start()
    try:
        said: dict[str, list[str]] = {}
        for name, app_id, commit in (("first", own, first), ("next", own, None), ("other", other, first)):
            stage.app_id = app_id
            command = await stage.build(git_host.url("app"), commit=commit, env={"TOKEN": f"token of {app_id}"}, secrets=("TOKEN",))
            await stage.done()
            said[name] = [line.message for line in await stage.log(command.deployment_id)]
            assert len(stage.all(ImageReady)) == len(said), said[name]
            images.client().remove_image(f"dockup/{app_id}:r1")
    finally:
        stage.app_id = own
    assert "kept:" in said["first"]
    assert "kept: poison" in said["next"]
    assert "kept:" in said["other"]
    digests = {name: next(line for line in lines if line.startswith("made of")) for name, lines in said.items()}
    assert digests["first"] == digests["next"] != digests["other"]


async def test_what_the_engine_would_fetch_from_where_no_step_gets(stage: Stage, start: Start, git_host: GitServer) -> None:
    """It adds from the machine's own network: an address that is written out, and one that only the engine sees."""
    here = f"127.0.0.1:{git_host.port}"
    names = {
        "plain": f"ADD --chown=1:1 http://{here}/one /x",
        "made": f"ARG HERE={here}\nADD http://$HERE/two /x\nRUN cat /x; echo st''olen",
    }
    for name, text in names.items():
        git_host.make_repo(name, {"Dockerfile": dockerfile(text)})
    # Git may be fetched from there: it is another name for the same host.
    await start(egress_allow=("localhost",))
    for release, name in enumerate(names, 1):
        command = await stage.build(git_host.url(name).replace("127.0.0.1", "localhost"), release)
        await stage.done()
        assert [event.failure.code for event in stage.all(ImageFailed)] == ["address_refused"] * release
        assert "stolen" not in [line.message for line in await stage.log(command.deployment_id)]
    assert not [path for path in git_host.asked if path == "/one"]


async def test_a_cancelled_build_ends_with_its_steps(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("app", {"Dockerfile": dockerfile("RUN trap '' TERM; echo beg''un; sleep 4711 & sleep 4711")})
    await start()
    command = await stage.build(git_host.url("app"))
    await stage.logged(command.deployment_id, "begun")
    assert running("4711")
    await stage.drop(1)
    async with asyncio.timeout(2):
        while running("4711"):
            await asyncio.sleep(0.02)
    await stage.done()
    assert [name for name, _ in stage.events if name != "ImageProgress"] == ["ImageStarted", "SourceFetched"]
    assert not images.client().images(name=f"dockup/{stage.app_id}")


async def test_a_cancel_while_the_image_gets_its_name(stage: Stage, start: Start, git_host: GitServer, tmp_path: Path) -> None:
    """The engine gives it that all the same, later than the cancel."""
    git_host.make_repo("app", {"Dockerfile": dockerfile()})
    gateway = Gateway(tmp_path / "engine.sock", DOCKER_HOST.removeprefix("unix://"), held=b"/tag?")
    await gateway.open()
    await start(docker_host=gateway.address)
    command = await stage.build(git_host.url("app"))
    async with asyncio.timeout(PATIENCE):
        await gateway.came.wait()
    await stage.drop(1)
    await stage.build(git_host.url("app"))  # given up at once, as soon as the builder has heard of that
    await stage.done(but=1)
    gateway.let_go.set()
    await stage.done()
    assert not images.client().images(name=f"dockup/{stage.app_id}")
    assert not unnamed(f"dockup.build={command.deployment_id}")
    gateway.cut()


async def test_an_image_that_the_engine_finishes_after_its_build_was_cut_off(
    stage: Stage, start: Start, engine: Engine, git_host: GitServer, settings: Settings
) -> None:
    git_host.make_repo("app", {"Dockerfile": dockerfile("RUN echo beg''un; sleep 4711")})
    await start()
    command = await stage.build(git_host.url("app"))
    await stage.logged(command.deployment_id, "begun")
    await stage.drop(1)
    await stage.done()
    attempts = [note.name for note in (Path(settings.home) / late.FOLDER).iterdir()]
    assert [name.partition(".")[0] for name in attempts] == [command.deployment_id]
    images.client().import_image_from_data(archives.tar([]), changes=[f"LABEL {late.LABEL}={attempts[0]}"])
    assert unnamed(f"{late.LABEL}={attempts[0]}")
    await Late(Path(settings.home)).remove(engine)
    assert not unnamed(f"{late.LABEL}={attempts[0]}")


def unnamed(label: str) -> list[str]:
    """Images with that label and no name."""
    found: list[str] = images.client().images(quiet=True, filters={"dangling": True, "label": label})
    return found


async def test_a_command_line_that_knows_the_image_by_another_id_than_the_engine(
    stage: Stage, start: Start, git_host: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As buildx does where the engine keeps images in containerd: it says the digest of the config, and the engine knows the manifest's."""
    found = await cli.find()
    assert found is not None
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    other = f"sha256:{secrets.token_hex(32)}"
    program.write_text(
        f"""#!/bin/sh
{found.path} "$@" || exit
for word; do
    if [ "$last" = --iidfile ]; then printf {other} > "$word"; fi
    last=$word
done
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    git_host.make_repo("app", {"Dockerfile": dockerfile()})
    await start()
    await stage.build(git_host.url("app"))
    ready = await stage.hear(ImageReady)
    assert images.client().inspect_image(f"dockup/{stage.app_id}:r1")["Id"] == ready.image_id


def left(settings: Settings) -> list[Path]:
    """Folders of builds."""
    return list(Path(settings.home).glob("builds/dep_*"))


def limited() -> list[str]:
    """The memory limit of the engine's builds, by cgroup version 1 or 2."""
    return [
        path.read_text()
        for path in Path("/sys/fs/cgroup").glob("**/buildkit/memory.*")
        if path.name in {"memory.limit_in_bytes", "memory.max"}
    ]


def running(word: str) -> list[str]:
    """Processes of this machine that have the word among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
    return found


async def test_a_step_that_uses_too_much_memory(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("app", {"Dockerfile": f"FROM {images.eats_memory()}\nRUN /web eats-memory\n"})
    await start(build_memory_mb=200)
    await stage.build(git_host.url("app"))
    failed = (await stage.hear(ImageFailed)).failure
    assert failed.code == "build_out_of_memory"
    await stage.done()
    # Another builder of this machine may want as little.
    assert not list(claims.folder(Path("/nowhere")).glob(f"{os.getpid()}.*.claim"))
    others = list(claims.folder(Path("/nowhere")).glob("*.claim"))
    assert others or "209715200" not in [text.strip() for text in limited()]


async def test_a_step_that_forks_without_end(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("app", {"Dockerfile": dockerfile("RUN i=0; while [ $i -lt 400 ]; do sleep 4714 & i=$((i+1)); done; echo all")})
    await start(build_pids=100)
    command = await stage.build(git_host.url("app"))
    failed = (await stage.hear(ImageFailed)).failure
    assert failed.code == "build_failed"
    assert "fork" in "".join(failed.evidence)
    await stage.done()
    assert "all" not in [line.message for line in await stage.log(command.deployment_id)]
    assert not running("4714")


@pytest.mark.long
async def test_builds_that_take_too_long_or_too_much_disk(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("slow", {"Dockerfile": dockerfile("RUN sleep 4712")})
    git_host.make_repo("full", {"Dockerfile": dockerfile("RUN busybox dd if=/dev/zero of=/big bs=1M count=3000; sleep 4712")})
    await start(build_seconds=8, build_disk_mb=1_000)
    for release, (name, code) in enumerate({"full": "disk_full", "slow": "timeout"}.items(), 1):
        await stage.build(git_host.url(name), release)
        await stage.done()
        assert stage.all(ImageFailed)[-1].failure.code == code
        assert not running("4712")


async def test_a_step_that_prints_without_end(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("app", {"Dockerfile": dockerfile("RUN busybox yes 0123456789abcdef | busybox head -n 3000000; echo over")})
    await start()
    command = await stage.build(git_host.url("app"))
    await stage.done()
    assert stage.all(ImageReady)
    assert sum(len(line.message) for line in await stage.log(command.deployment_id)) < 21 * 1024**2


async def test_one_build_an_app_and_so_many_in_all(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("app", {"Dockerfile": dockerfile("RUN sleep 1")})
    await start(build_concurrency=1)
    for release in (1, 2, 3):
        await stage.build(git_host.url("app"), release)
    await stage.done()
    names = [name for name, _ in stage.events if name in {"ImageStarted", "ImageReady"}]
    assert names == ["ImageStarted", "ImageReady"] * 3
    assert len({event.deployment_id for event in stage.all(ImageStarted)}) == 3


async def test_a_dockerfile_is_written_where_there_is_none(stage: Stage, start: Start, git_host: GitServer) -> None:
    git_host.make_repo("app", {"site/index.html": "<h1>hello</h1>"})
    await start(base_images=(f"static={images.shell()}",))
    command = await stage.build(git_host.url("app"), root_directory="site")
    await stage.hear(ImageReady)
    written = stage.all(DockerfileWritten)[0]
    assert (written.kind, written.dockerfile) == ("static", f"FROM {images.shell()}\nCOPY . /usr/share/nginx/html\nEXPOSE 8080\n")
    log = texts(await stage.log(command.deployment_id))
    assert "this is static, because index.html is there" in log
    assert "COPY . /usr/share/nginx/html" in log


async def test_other_builders_are_used_when_they_are_asked_for(
    stage: Stage, start: Start, git_host: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_host.make_repo("app", {"run.py": "x"})
    git_host.make_repo("link", {"passwd": "-> /etc/passwd"})
    await start()
    for release, (name, builder) in enumerate((("app", "railpack"), ("app", "cobolpack"), ("link", "pack")), 1):
        await stage.build(git_host.url(name), release, builder=builder)
    await stage.done()
    codes = {event.failure.message.split(" ")[0]: event.failure.code for event in stage.all(ImageFailed)}
    assert codes == {"railpack": "builder_missing", "'cobolpack'": "builder_missing", "passwd": "unsafe_source"}
    # A program of that name, which does what railpack does as far as it is called.
    program = tmp_path / "bin" / "railpack"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "building $*"\nexec docker tag {images.web()} "$5"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    command = await stage.build(git_host.url("app"), 4, builder="railpack")
    await stage.hear(ImageReady)
    assert "building build --progress plain --name dockup/" in texts(await stage.log(command.deployment_id))


async def test_a_base_image_of_a_private_registry(stage: Stage, start: Start, git_host: GitServer, secret_registry: RegistryServer) -> None:
    local = images.unheard_of()
    reference = secret_registry.push(local, "team/base")
    images.client().remove_image(local)
    git_host.make_repo("app", {"Dockerfile": f"FROM {reference}\nLABEL a=b\n"})
    await start()
    wrong = RegistryLogin(server=secret_registry.host, username="somebody", password="wrong-password")
    await stage.build(git_host.url("app"), 1)
    await stage.build(git_host.url("app"), 2, registries=[wrong])
    await stage.done()
    assert [event.failure.code for event in stage.all(ImageFailed)] == ["base_image_not_found"] * 2
    right = RegistryLogin(server=secret_registry.host, username=registry.USER, password=registry.PASSWORD)
    await stage.build(git_host.url("app"), 3, registries=[right])
    await stage.hear(ImageReady)
    # Whoever has no login does not get what another one's brought here, by its digest neither.
    pinned = f"{reference.rpartition(':')[0]}@{secret_registry.digest('team/base')}"
    git_host.make_repo("pinned", {"Dockerfile": f"FROM {pinned}\nLABEL a=b\n"})
    git_host.make_repo("hidden", {"Dockerfile": f"ARG AT={pinned.partition('@')[2]}\nFROM {pinned.partition('@')[0]}@$AT\nLABEL a=b\n"})
    for release, (name, logins) in enumerate((("app", []), ("pinned", []), ("hidden", []), ("pinned", [right])), 4):
        await stage.build(git_host.url(name), release, registries=logins)
        await stage.done()
    codes = [event.failure.code for event in stage.all(ImageFailed)]
    assert codes == [*["base_image_not_found"] * 3, "registry_auth_failed", "base_image_not_found"]
    assert len(stage.all(ImageReady)) == 2


async def test_a_builder_that_is_killed_in_mid_build(stage: Stage, settings: Settings, git_host: GitServer) -> None:
    git_host.make_repo("app", {"Dockerfile": dockerfile("RUN echo beg''un; sleep 4.713; echo made")})
    first = process(settings)
    try:
        command = await stage.build(git_host.url("app"))
        await stage.logged(command.deployment_id, "begun")
    finally:
        first.kill()
        first.wait()
    assert left(settings)
    second = process(settings)
    try:
        ready = await stage.hear(ImageReady)
        await stage.done()
    finally:
        second.terminate()
        assert second.wait(10) == 0
    assert [event.event_id for event in stage.all(ImageReady)] == [f"{command.command_id}.ready"]
    assert (len(stage.all(ImageStarted)), len(stage.all(SourceFetched)), stage.all(ImageFailed)) == (1, 1, [])
    lines = [line.message for line in await stage.log(command.deployment_id)]
    assert (lines.count("begun"), lines.count("made")) == (2, 1)
    assert images.client().inspect_image(f"dockup/{stage.app_id}:r1")["Id"] == ready.image_id
    assert not left(settings)
