"""Images: find, pull, and the tags by which we hold them."""

import base64
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import msgspec

from libs.common.engine.connect import Engine
from libs.common.engine.errors import Conflict, EngineAway, EngineError, NotFound, PullError
from libs.common.engine.lines import Lines, answer, split
from libs.common.engine.pulls import PullLine, PullProgress, Tally, meaning

_LAST_PORT = 65_535
_NOT_UNPACKED = "Error unpacking image"
"""So an engine that keeps images in containerd says it, and no error, where what it loaded is not what the config says."""


class ImageSeen(msgspec.Struct, frozen=True, kw_only=True):
    """`repo_digests` are `name@sha256:…`, empty for an image that was never in a registry.

    `exposed_ports` are those for TCP, the least first; `layers` are the digests of the unpacked layers, the lowest first.
    """

    id: str
    repo_tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    size: int
    labels: dict[str, str]
    exposed_ports: tuple[int, ...]
    architecture: str
    layers: tuple[str, ...] = ()


class _Config(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, object] | None = None


class _RootFs(msgspec.Struct, rename="pascal"):
    layers: list[str] | None = None


class _Image(msgspec.Struct, rename="pascal"):
    id: str
    architecture: str = ""
    size: int = 0
    repo_tags: list[str] | None = None
    repo_digests: list[str] | None = None
    config: _Config | None = None
    root_fs: _RootFs | None = msgspec.field(name="RootFS", default=None)


class _Tagged(msgspec.Struct, rename="pascal"):
    repo_tags: list[str] | None = None


async def find(engine: Engine, reference: str) -> ImageSeen | None:
    """Look for an image on the engine; no registry is asked. The engine takes a bare name for an id, so name the tag."""
    try:
        raw = msgspec.convert(await engine.call(engine.api.inspect_image, reference), _Image)
    except NotFound:
        return None
    config = raw.config or _Config()
    return ImageSeen(
        id=raw.id,
        repo_tags=tuple(raw.repo_tags or ()),
        repo_digests=tuple(raw.repo_digests or ()),
        size=raw.size,
        labels=config.labels or {},
        exposed_ports=tuple(sorted({port for text in config.exposed_ports or () for port in _tcp(text)})),
        architecture=raw.architecture,
        layers=tuple(raw.root_fs.layers or ()) if raw.root_fs else (),
    )


def _tcp(text: str) -> tuple[int, ...]:
    """What an image exposes by `8080/tcp` or `8080`; nothing by a port of another protocol, or by what is no port."""
    port, _, protocol = text.partition("/")
    return (int(port),) if protocol in {"", "tcp"} and port.isdecimal() and 0 < int(port) <= _LAST_PORT else ()


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine tells a registry, `server` being the registry's host."""

    server: str
    username: str
    password: str

    def header(self) -> str:
        words = {"username": self.username, "password": self.password, "serveraddress": self.server}
        return base64.urlsafe_b64encode(msgspec.json.encode(words)).decode()


async def pull(engine: Engine, reference: str, on_progress: Callable[[PullProgress], None], login: Login | None = None) -> None:
    """Pull `name:tag` or `name@sha256:…`; `on_progress` is called in the loop for every line that the engine says.

    Raises a `PullError`. Cancelling the task ends the pull on the engine too.
    """
    repository, tag = split_reference(reference)
    tally, ended = Tally(), False
    stream = Lines(
        engine, "POST", "/images/create", {"fromImage": repository, "tag": tag}, {"X-Registry-Auth": login.header()} if login else None
    )
    try:
        async for text in stream:
            line = msgspec.json.decode(text, type=PullLine)
            if line.error or line.error_detail:
                raise meaning(line.error_detail.message if line.error_detail else line.error)
            ended = ended or line.status.startswith("Status:")
            tally.take(line)
            on_progress(tally.progress())
    except PullError:
        raise
    except EngineError as error:
        raise meaning(str(error)) from error
    finally:
        stream.close()
    # An engine that dies while it pulls ends the stream as a finished pull does.
    if not ended and await find(engine, reference) is None:
        raise EngineAway(f"the pull of {reference} was cut off")


async def load(engine: Engine, chunks: Iterator[bytes]) -> None:
    """Give the engine an archive of images, with the tags that stand in it; what `chunks` raises ends it and is raised here.

    Raises a `PullError` for what the engine will not take. It runs in a thread of the engine's to its end, whatever becomes of the task.
    """
    await engine.call(_load, engine.long, chunks)


def _load(api: docker.APIClient, chunks: Iterator[bytes]) -> None:
    response = answer(api, "POST", "/images/load", {"quiet": 1}, chunks)
    try:
        for text in split(response.iter_content(chunk_size=None)):
            line = msgspec.json.decode(text, type=PullLine)
            if line.error or line.error_detail:
                raise meaning(line.error_detail.message if line.error_detail else line.error)
            if line.stream.startswith(_NOT_UNPACKED):
                raise meaning(line.stream.strip())
    finally:
        response.close()


async def architecture(engine: Engine) -> str:
    """What the engine's machine runs, as images name it, such as `amd64`."""
    found: str = (await engine.call(engine.api.version))["Arch"]
    return found


async def tag(engine: Engine, image_id: str, repository: str, tag: str) -> None:
    """Tag an image; a tag that is there moves. `NotFound`: the image is gone."""
    await engine.call(engine.api.tag, image_id, repository, tag)


async def untag(engine: Engine, reference: str) -> None:
    """Remove just this reference, or id; the image goes when it was the last. Gone already is fine. `Conflict`: a container needs it."""
    try:
        await engine.call(engine.api.remove_image, reference)
    except NotFound:
        return


async def unnamed(engine: Engine, label: str) -> list[str]:
    """The ids of the images that carry the label (`name=value`) and have no name."""
    found: list[str] = await engine.call(engine.api.images, quiet=True, filters={"dangling": True, "label": label})
    return found


async def remove_unnamed(engine: Engine, label: str) -> None:
    """Remove the images that carry the label and have no name; one that is in use stays."""
    for image_id in await unnamed(engine, label):
        with contextlib.suppress(Conflict):
            await untag(engine, image_id)


async def list_tags(engine: Engine, repository_prefix: str) -> list[str]:
    """Every `repository:tag` that begins so, sorted. The prefix must hold every slash of the names that it is to find."""
    found = await engine.call(engine.api.images, filters={"reference": f"{repository_prefix}*"})
    images = msgspec.convert(found, list[_Tagged])
    tags = [name for image in images for name in image.repo_tags or ()]
    return sorted(name for name in tags if name.startswith(repository_prefix))


def split_reference(reference: str) -> tuple[str, str]:
    """Part `name:tag` or `name[:tag]@digest` into what the engine takes as image and tag; the tag is `latest` where none stands."""
    name, _, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    base, _, version = last.partition(":")
    return f"{head}{slash}{base}", digest or version or "latest"


async def save(engine: Engine, image_id: str, path: Path) -> None:
    """Write the image as `docker save` does; `NotFound` when it is gone."""

    def work() -> None:
        with path.open("wb") as file:
            for chunk in engine.long.get_image(image_id):
                file.write(chunk)

    await engine.call(work)


async def load_file(engine: Engine, path: Path) -> None:
    """Bring in what `save` wrote. `Refused` for what is none."""

    def work() -> None:
        with path.open("rb") as file:
            for line in engine.long.load_image(file):  # type: ignore[no-untyped-call]
                if "error" in line:
                    raise EngineError(str(line["error"]))

    await engine.call(work)
