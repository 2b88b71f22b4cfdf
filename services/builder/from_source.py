"""From a commit of a repository to an image: fetch, look, build, and say each step."""

import asyncio
import time
from pathlib import Path

import msgspec
import structlog

from libs.common import clock
from libs.common.bus import Bus
from libs.common.egress import Allowed
from libs.common.engine import images
from libs.common.engine.connect import Engine
from libs.common.engine.errors import NotFound
from libs.common.engine.images import ImageSeen
from libs.common.errors import Retry
from libs.common.image_names import held_as, repository, tag
from libs.common.messages.builder import (
    BuildImage,
    DockerfileWritten,
    GitLogin,
    ImageFailed,
    ImageProgress,
    ImageReady,
    RegistryLogin,
    SourceFetched,
)
from libs.common.references import filled
from libs.common.secrets import UnreadableError, Vault, is_secret_name
from services.builder import detect, words, work
from services.builder.build import late
from services.builder.build.log import BuildLog
from services.builder.build.progress import Progress
from services.builder.build.run import LABEL, PROCFILE, Builder, Job
from services.builder.desired import Deleted
from services.builder.failed import Failed, because
from services.builder.patience import patiently
from services.builder.room import Room
from services.builder.source import procfile, tree
from services.builder.source.fetch import Limits, Source, Wanted, fetch
from services.builder.words import Say
from services.builder.work import Turns

_TURN_SECONDS = 1.0
_commands = msgspec.json.Decoder(procfile.Commands)

logger = structlog.get_logger()


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that building from source needs, once for the service."""

    engine: Engine
    bus: Bus
    say: Say
    deleted: Deleted
    room: Room
    vault: Vault
    builder: Builder
    turns: Turns
    home: Path
    allowed: Allowed
    limits: Limits
    base_images: dict[str, str]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What travelled sealed in the command."""

    login: GitLogin | None
    env: dict[str, str]
    shared: dict[str, str]
    logins: list[RegistryLogin]

    def secrets(self, message: BuildImage) -> list[str]:
        """Values that are masked wherever they are printed."""
        named = {*message.env_secret, *message.secrets}
        values = [*filled(self.env, self.shared).items(), *self.shared.items()]
        found = [value for name, value in values if name in named or is_secret_name(name)]
        return [*found, *([self.login.password] if self.login else []), *(login.password for login in self.logins)]

    def mounted(self, message: BuildImage) -> dict[str, str]:
        """What a step may mount, by name."""
        env = filled(self.env, self.shared)
        return {name: env[name] for name in message.secrets if name in env}


async def build_image(message: BuildImage, *, site: Site) -> None:
    """Fetch and build, unless the image is here already, and say so. Another build of the app, or too many, are waited for outside.

    Nobody waits for it any more: it is given up, every process of it ended, and nothing is said.
    """
    if site.deleted.drops(message.app_id, message.release):
        await _clear(message, site)
        return
    with site.turns.turn(message.app_id) as mine:
        if not mine:
            raise Retry("other builds are under way", after=_TURN_SECONDS)
        await site.say(words.started(message))
        # The turn is over when every process of the build has ended.
        end = await site.deleted.unless_dropped(_end(message, site), message.app_id, message.release)
        # Not in the work that may be given up: the engine does what it was asked, also for who does not wait for the answer.
        if isinstance(end, ImageReady):
            await _hold(message, end.image_id, site.engine)
        await _clear(message, site, is_kept=isinstance(end, ImageReady))
        if end is None:
            logger.info("build.given_up", app_id=message.app_id, release=message.release)
        else:
            await site.say(end)
    if site.deleted.drops(message.app_id, message.release):
        await _clear(message, site)


async def _clear(message: BuildImage, site: Site, *, is_kept: bool = False) -> None:
    """Nothing of the deployment stays but an image that is kept: not what a build that was given up or killed came to without a name."""
    if not is_kept:
        await patiently(lambda: images.untag(site.engine, held_as(message.app_id, message.release)))
    await patiently(lambda: images.remove_unnamed(site.engine, f"{LABEL}={message.deployment_id}"))


async def _end(message: BuildImage, site: Site) -> ImageReady | ImageFailed:
    try:
        if (seen := await _held(message, site)) is None:
            opened = _open(message, site.vault)
            seen = await _logged(message, opened, site)
    except Failed as error:
        return words.failed(message, error.failure)
    return words.ready(message, seen, digest=None, found=False, procfile=_procfile_of(seen))


def _procfile_of(seen: ImageSeen) -> procfile.Commands:
    """Read the label back; another builder makes none."""
    return _commands.decode(seen.labels.get(PROCFILE) or "{}")


async def _held(message: BuildImage, site: Site) -> ImageSeen | None:
    """The image, where this very deployment's is here."""
    seen = await patiently(lambda: images.find(site.engine, held_as(message.app_id, message.release)))
    return seen if seen and seen.labels.get(LABEL) == message.deployment_id else None


def _open(message: BuildImage, vault: Vault) -> Opened:
    try:
        return Opened(
            login=vault.open(message.login, GitLogin) if message.login else None,
            env=vault.open(message.env, dict[str, str]) if message.env else {},
            shared=vault.open(message.shared, dict[str, str]) if message.shared else {},
            logins=vault.open(message.registries, list[RegistryLogin]) if message.registries else [],
        )
    except UnreadableError as error:
        raise because("internal_error", f"The command cannot be read: {error}.") from error


async def _logged(message: BuildImage, opened: Opened, site: Site) -> ImageSeen:
    """Do it with a log, which is stored before the end is said."""
    log = BuildLog(site.bus, message.deployment_id, opened.secrets(message))
    began = time.monotonic()
    try:
        try:
            with work.folder(site.home, message.deployment_id) as folder:
                seen = await _make(message, opened, site, log, folder)
        except Failed as error:
            failure = error.failure
            masked = msgspec.structs.replace(failure, message=log.hide(failure.message), evidence=tuple(map(log.hide, failure.evidence)))
            log.say(f"{masked.code}: {masked.message} {masked.hint or ''}")
            await log.close()
            raise Failed(masked) from error
        log.say("The image is ready.", duration_ms=(time.monotonic() - began) * 1000)
        await log.close()
        return seen
    finally:
        log.abandon()


async def _make(message: BuildImage, opened: Opened, site: Site, log: BuildLog, folder: Path) -> ImageSeen:
    await site.room.check()
    source = await _fetch(message, opened, site, log, folder)
    context = tree.context(source.top, message.root_directory)
    dockerfile = await _dockerfile(message, site, log, source, context)
    progress = Progress()
    job = Job(
        message=message,
        context=context,
        dockerfile=dockerfile,
        commit=source.commit,
        work=folder,
        logins=opened.logins,
        secrets=opened.mounted(message),
        procfile=_processes(message, log, source, context),
    )
    reporting = asyncio.create_task(words.report(lambda: _told(message, progress), site.say))
    try:
        await site.builder.build(job, log, progress)
    finally:
        reporting.cancel()
    return await _built(job, site.engine)


def _processes(message: BuildImage, log: BuildLog, source: Source, context: Path) -> procfile.Commands:
    """Those of the Procfile; another builder has its own way with it."""
    found = procfile.read(source.top, context) if message.builder == "auto" else {}
    if found:
        log.say(f"The Procfile names {', '.join(sorted(found))}.")
    return found


async def _built(job: Job, engine: Engine) -> ImageSeen:
    """What a build that ended well came to. The engine itself says by what id it has it; another builder gave it its private name."""
    found = [held_as(job.message.app_id, job.message.release)]
    if job.dockerfile:
        found = await patiently(lambda: images.unnamed(engine, f"{late.LABEL}={job.attempt}"))
    seen = await patiently(lambda: images.find(engine, found[0])) if found else None
    if seen is None:
        raise Retry("the image went away as soon as it was built")
    return seen


async def _hold(message: BuildImage, image_id: str, engine: Engine) -> None:
    """Give the image its private name: it has none before it is finished."""
    try:
        await patiently(lambda: images.tag(engine, image_id, repository(message.app_id), tag(message.release)))
    except NotFound as error:
        raise Retry("the image went away as soon as it was built") from error


async def _dockerfile(message: BuildImage, site: Site, log: BuildLog, source: Source, context: Path) -> Path | None:
    """The Dockerfile that is there, or one that is written for what is; None where another builder was asked for."""
    if message.builder != "auto":
        tree.links(source.top, context)
        return None
    if found := tree.dockerfile(source.top, context, message.dockerfile_path):
        return found
    plan = detect.plan(detect.Tree(top=source.top, folder=context), site.base_images)
    written = source.top.with_name("Dockerfile")
    await asyncio.to_thread(written.write_text, plan.dockerfile, encoding="utf-8")
    await _show(message, plan, log, site.say)
    return written


async def _fetch(message: BuildImage, opened: Opened, site: Site, log: BuildLog, folder: Path) -> Source:
    began = time.monotonic()
    log.say(f"Fetching {message.commit or message.ref or 'the default branch'} of {message.url}")
    place = folder / "source"
    place.mkdir()
    wanted = Wanted(
        url=message.url,
        ref=message.ref,
        commit=message.commit,
        login=opened.login,
        submodules=message.submodules,
        lfs=message.lfs,
    )
    source = await fetch(wanted, place, allowed=site.allowed, limits=site.limits)
    log.say(f"Fetched {source.commit[:12]}: {source.subject}", duration_ms=(time.monotonic() - began) * 1000)
    await site.say(
        SourceFetched(
            event_id=f"{message.command_id}.source",
            at=clock.now(),
            app_id=message.app_id,
            deployment_id=message.deployment_id,
            commit=source.commit,
            subject=log.hide(source.subject[:500]),
            author=source.author[:200],
            ref=source.ref,
        )
    )
    return source


async def _show(message: BuildImage, plan: detect.Plan, log: BuildLog, say: Say) -> None:
    """Say what the source is, why, and what Dockerfile stands for the one that is missing."""
    log.say(f"No Dockerfile: this is {plan.kind}, because {plan.reason}. The Dockerfile that is used:")
    for line in plan.dockerfile.splitlines():
        log.say(line)
    await say(
        DockerfileWritten(
            event_id=f"{message.command_id}.dockerfile",
            at=clock.now(),
            app_id=message.app_id,
            deployment_id=message.deployment_id,
            kind=plan.kind,
            reason=plan.reason,
            dockerfile=plan.dockerfile,
        )
    )


def _told(message: BuildImage, progress: Progress) -> ImageProgress | None:
    """At which step it is; nothing while it is at none that counts."""
    step = progress.now
    return words.progress(message, step.number, step.name[:500]) if step and step.place is not None else None
