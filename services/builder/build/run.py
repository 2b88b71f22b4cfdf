"""One build: the engine's command line in a process group of its own, its output as log lines, its ends as failures."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import structlog

from libs.common.messages.builder import BuildImage, RegistryLogin
from services.builder import processes
from services.builder.build import cache, cli, dockerfile, late, login, others
from services.builder.build.bases import Bases, Watch
from services.builder.build.cli import Cli
from services.builder.build.late import Late
from services.builder.build.limits import Limits
from services.builder.build.lines import is_output, plain
from services.builder.build.log import BuildLog
from services.builder.build.meaning import meaning
from services.builder.build.progress import Line, Progress
from services.builder.failed import Failed, because
from services.builder.room import Room

LABEL = "dockup.build"
"""On every image that is built here: the deployment that it was built for."""
PROCFILE = "dockup.procfile"
"""What the source's Procfile says, as JSON: the image is here when the source has gone again."""
_LOOK_SECONDS = 0.5
_GONE_SECONDS = 2.0
_GAP = 0.02
_MEGABYTE = 1024**2

logger = structlog.get_logger()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is built: `context` and `dockerfile` are checked paths, `secrets` name → value, `work` a folder for what must not stay.

    Without a Dockerfile it is built by the program that the message names. `procfile` are the source's commands by name.
    """

    message: BuildImage
    context: Path
    dockerfile: Path | None
    commit: str
    work: Path
    logins: Sequence[RegistryLogin] = ()
    secrets: dict[str, str] = {}
    procfile: dict[str, tuple[str, ...]] = {}

    @property
    def attempt(self) -> str:
        """The folder's name, which no other attempt at a build has."""
        return self.work.name


class Builder:
    """`seconds` bounds a build, `disk_mb` what it may write while it runs; `bases` says what it may be made of."""

    def __init__(self, docker_host: str, limits: Limits, room: Room, *, seconds: float, disk_mb: int, bases: Bases, late: Late) -> None:
        self._docker_host = docker_host
        self._late = late
        self._bases = bases
        self._limits = limits
        self._room = room
        self._seconds = seconds
        self._disk_mb = disk_mb
        self._running = 0
        self._cli: Cli | None = None

    @property
    def trouble(self) -> str:
        """What could not be limited at the last build; empty when all was."""
        return self._limits.trouble

    async def build(self, job: Job, log: BuildLog, progress: Progress) -> None:
        """Build the image; it has no name yet where the engine's own command line builds it, but the label of its attempt.

        `Failed` when there is none. Cancelled, it returns when the steps have ended.
        """
        self._cli = self._cli or await cli.find()
        found = self._cli
        if found is None:
            text = "No docker on the builder's PATH can build: it takes Docker 20.10 to 22, or a newer one with its buildx plugin."
            raise because("builder_missing", text)
        text = job.dockerfile.read_text(encoding="utf-8", errors="replace") if job.dockerfile else ""
        dockerfile.check(text)
        watch = await self._bases.watch(text, progress, job.message.app_id, job.logins)
        if job.dockerfile is None:
            command = others.command(job.message, job.context)
        else:
            command = [
                *_command(found, job, job.dockerfile),
                *dockerfile.arguments(job.message.args),
                *cache.own(job.message.app_id, has_secrets=bool(job.secrets)),
                *_secrets(job),
                "--",
                str(job.context),
            ]
        env = environment(self._docker_host, login.write(job.work, found, job.logins), job.work)
        env |= others.environment() if job.dockerfile is None else {}
        async with self._bounded(job.attempt):
            code = await self._run(command, env, job, log, watch)
        if code:
            raise meaning(progress, log.last(progress.failed.number) if progress.failed else ())
        watch.end()

    @contextlib.asynccontextmanager
    async def _bounded(self, attempt: str) -> AsyncIterator[None]:
        """Apply the limits of time, disk, memory and processors; leave when no step runs any more."""
        self._running += 1
        try:
            with self._limits.applied():
                try:
                    async with asyncio.timeout(self._seconds):
                        yield
                except BaseException:
                    self._late.note(attempt)
                    await asyncio.shield(self._until_gone())
                    raise
        except TimeoutError as error:
            raise because("timeout", f"The build took longer than {self._seconds:g} s.") from error
        finally:
            self._running -= 1

    async def _until_gone(self) -> None:
        """The engine ends the steps of a build whose command line went away: see that it does. Other builds' steps are not counted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GONE_SECONDS):
                while self._are_mine_alone() and self._limits.processes():  # noqa: ASYNC110 - the kernel says nothing of it
                    await asyncio.sleep(_GAP)
                return
        logger.warning("build.steps_left", processes=self._limits.processes())

    def _are_mine_alone(self) -> bool:
        return self._running == 1 and not self._limits.are_shared()

    async def _run(self, command: list[str], env: dict[str, str], job: Job, log: BuildLog, watch: Watch) -> int:
        reading = asyncio.create_task(self._read(command, env, job, log, watch))
        filling = asyncio.create_task(self._fills())
        try:
            await asyncio.wait({reading, filling}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await filling
            return await reading
        finally:
            reading.cancel()
            filling.cancel()
            await asyncio.wait({reading, filling})

    async def _fills(self) -> None:
        """Watch the engine's disk; `Failed` when the build fills it."""
        first = await self._room.disk()
        while first is not None:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._room.check()
            now = await self._room.disk()
            written = (now.used_bytes - first.used_bytes) // _MEGABYTE if now else 0
            if written > self._disk_mb:
                text = f"The disk of the Docker Engine filled by {written} MB during the build: more than {self._disk_mb} MB."
                raise because("disk_full", text, hint="Write less in the build, or raise DOCKUP_BUILD_DISK_MB.")
        await asyncio.Event().wait()

    async def _read(self, command: list[str], env: dict[str, str], job: Job, log: BuildLog, watch: Watch) -> int:
        async with processes.started(command, env=env, cwd=job.work) as process:
            # What another builder prints there is shown; the engine's own prints nothing of use.
            quiet = asyncio.create_task(_other(process.stdout, None if job.dockerfile else log))
            try:
                async for raw in processes.pieces(process.stderr, b"\n"):
                    text = plain(raw)
                    lines = watch.progress.take(text if is_output(text) else log.hide(text))
                    await watch.look()
                    for line in lines:
                        _show(line, log)
                    if not lines and job.dockerfile is None:
                        log.wrote(0, text)
                    await log.drained()
                code = await process.wait()
                await quiet
                return code
            finally:
                quiet.cancel()


def environment(docker_host: str, config: Path, home: Path) -> dict[str, str]:
    """What the command line is told: nothing of the builder's own environment but the PATH."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "DOCKER_HOST": docker_host,
        "DOCKER_CONFIG": str(config),
        "DOCKER_BUILDKIT": "1",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "NO_COLOR": "1",
    }


def _command(found: Cli, job: Job, path: Path) -> list[str]:
    """Without a tag: one that is given up must not get its name from an engine that was quicker than we.

    Nor is it asked for the image's id: where the engine keeps images in containerd, that is another than `--iidfile` says.
    """
    message = job.message
    procfile = msgspec.json.encode(job.procfile).decode()
    labels = {LABEL: message.deployment_id, late.LABEL: job.attempt, PROCFILE: procfile}
    labels |= {"org.opencontainers.image.revision": job.commit, "org.opencontainers.image.source": message.url}
    words = [found.path, "build", "--progress=plain", "--file", str(path)]
    return [*words, *(word for name, value in labels.items() for word in ("--label", f"{name}={value}"))]


def _secrets(job: Job) -> list[str]:
    """Each secret as a file that only we can read, in the command's own folder."""
    words: list[str] = []
    for name, value in job.secrets.items():
        path = job.work / f"secret.{dockerfile.secret_name(name)}"
        path.touch(mode=0o600)
        path.write_text(value, encoding="utf-8")
        words += ["--secret", f"id={name},src={path}"]
    return words


def _show(line: Line, log: BuildLog) -> None:
    if line.raw:
        log.wrote(line.step, line.message)
    else:
        log.say(line.message, step=line.step, duration_ms=line.duration_ms)


async def _other(stream: asyncio.StreamReader | None, log: BuildLog | None) -> None:
    async for raw in processes.pieces(stream, b"\n"):
        if log:
            log.wrote(0, plain(raw))
            await log.drained()


__all__ = ["LABEL", "PROCFILE", "Builder", "Failed", "Job", "environment"]
