"""The grammar and the range of everything that a person can type about an app."""

import os
import re
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, overload

import msgspec

from libs.common.secrets import MASK
from services.api.http.problems import FieldError, Problem, invalid
from services.api.http.strict import Body

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]{1,5})?"
_IMAGE = rf"^(?:{_HOST}/)?{_NAME}(?:/{_NAME})*(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(?:@sha256:[a-f0-9]{{64}})?$"

_REF = r"^[^\x00-\x20\x7f~^:?*\[\\-][^\x00-\x20\x7f~^:?*\[\\]*$"
_NO_REF = re.compile(r"\.\.|//|@\{|^[/.]|/\.|[/.]$|\.lock(?:/|$)|^@$")
"""What git check-ref-format refuses beyond single characters."""

SLUG_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$"
LARGEST_ENV = 256 * 1024
"""Names and values of an app together, in bytes."""
MOST_REPLICAS = 32
_LEAST_CPU, _LEAST_MEMORY = 0.05, 16
_LONGEST_COMMAND, _LONGEST_WORD = 256, 8192
_LARGEST_COMMAND = 16 * 1024
"""As JSON, in bytes: what the runtime is told of an app, with all its open runs, has to fit into one message."""

Slug = Annotated[str, msgspec.Meta(pattern=SLUG_PATTERN, description="1 to 48 of a-z, 0-9 and -; neither begins nor ends with -; not xn--")]
Image = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=_IMAGE, description="an image, such as nginx:alpine")]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535, description="a port, 1 to 65535")]
Replicas = Annotated[int, msgspec.Meta(ge=1, le=MOST_REPLICAS)]
Cpu = Annotated[float, msgspec.Meta(ge=_LEAST_CPU, description="cores; at most those of the machine")]
Memory = Annotated[int, msgspec.Meta(ge=_LEAST_MEMORY, description="MB; at most those of the machine")]
DrainSeconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
EnvName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$", description="a name such as DATABASE_URL")]
EnvValue = Annotated[str, msgspec.Meta(max_length=32 * 1024, pattern=r"^[^\x00]*$")]
EnvSecret = Annotated[list[EnvName], msgspec.Meta(max_length=200, description="names whose values are masked in logs, failures and events")]
Command = list[str] | str
GitProvider = Literal["github", "gitlab", "gitea", "bitbucket", "git"]
GitRepoUrl = Annotated[
    str, msgspec.Meta(min_length=3, max_length=512, pattern=r"^[\x21-\x7e]+$", description="owner/repo or an https address")
]
GitRef = Annotated[
    str, msgspec.Meta(min_length=1, max_length=255, pattern=_REF, description="a branch, tag or commit, as git check-ref-format takes it")
]
RelativePath = Annotated[
    str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f\\]+$", description="a path in the repository, without ..")
]
WatchPaths = Annotated[
    list[RelativePath], msgspec.Meta(max_length=100, description="a push that changes none of these is not deployed; * and ** as in globs")
]
TagGlob = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x20\x7f~^:\[\\-][^\x00-\x20\x7f~^:\[\\]*$",
        description="tags that are deployed when they are pushed, such as v*",
    ),
]
BuildSecrets = Annotated[list[EnvName], msgspec.Meta(max_length=50, description="names in env that a step of the build may mount")]
BuildArgs = Annotated[dict[EnvName, Annotated[str, msgspec.Meta(max_length=8192, pattern=r"^[^\x00]*$")]], msgspec.Meta(max_length=100)]


RegistryId = Annotated[str, msgspec.Meta(pattern=r"^reg_[0-9a-z]{1,36}$", description="the id of one of your registries")]


ProcessName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,19}$", description="a name such as worker; not web, release or run")]
ProcessReplicas = Annotated[int, msgspec.Meta(ge=0, le=MOST_REPLICAS)]


class BuildBody(Body, frozen=True, kw_only=True):
    """How a repository becomes an image.

    `builder`: `auto` takes the Dockerfile, or writes one; `railpack` and `pack` are used when they are on the server. `args` are build
    arguments, which stand in the image's history; `secrets` names in `env` that a step may mount
    (`RUN --mount=type=secret,id=NAME`), which leave no trace. Submodules and LFS objects are fetched when they are asked for.
    """

    builder: Literal["auto", "railpack", "pack"] = "auto"
    args: BuildArgs = msgspec.field(default_factory=dict)
    secrets: BuildSecrets = msgspec.field(default_factory=list)
    submodules: bool = False
    lfs: bool = False


class HealthCheckBody(Body, frozen=True, kw_only=True):
    """How replicas are probed, from outside the container. Times in seconds."""

    type: Literal["http", "tcp", "none"] = "tcp"
    path: Annotated[str, msgspec.Meta(max_length=1024, pattern=r"^/[\x21-\x7e]*$")] = "/"
    interval_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=300)] = 1
    timeout_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=300)] = 5
    start_period_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60


@cache
def machine() -> tuple[int, int]:
    """Cores and MB of this machine."""
    return os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2


def check_slug(slug: str) -> str:
    if slug.startswith("xn--"):
        raise invalid("/slug", "must not begin with xn--")
    return slug


def check_limits(cpu: float | None, memory: int | None, pointer: str = "") -> None:
    cores, megabytes = machine()
    if cpu is not None and cpu > cores:
        raise invalid(f"{pointer}/cpu_limit", f"is {cpu:g}; this machine has {cores} cores")
    if memory is not None and memory > megabytes:
        raise invalid(f"{pointer}/memory_limit", f"is {memory}; this machine has {megabytes} MB")


@overload
def to_words(command: Command, pointer: str = "/command") -> tuple[str, ...]: ...


@overload
def to_words(command: Command | None, pointer: str = "/command") -> tuple[str, ...] | None: ...


def to_words(command: Command | None, pointer: str = "/command") -> tuple[str, ...] | None:
    """Return the words of a command; a string is split as a POSIX shell would, and no shell ever runs it."""
    if command is None:
        return None
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        raise invalid(pointer, f"cannot be split into words: {error}") from error
    if any(MASK in word for word in words):
        raise Problem("masked_value", errors=[FieldError(pointer=pointer, detail="is masked")])
    if not words:
        raise invalid(pointer, "has no word; send null for the image's own command")
    if len(words) > _LONGEST_COMMAND or any(len(word) > _LONGEST_WORD or "\0" in word for word in words):
        raise invalid(pointer, f"takes at most {_LONGEST_COMMAND} words of at most {_LONGEST_WORD} characters, without U+0000")
    if len(msgspec.json.encode(words)) > _LARGEST_COMMAND:
        raise invalid(pointer, f"takes at most {_LARGEST_COMMAND // 1024} KB together")
    return tuple(words)


def check_env(env: dict[str, str]) -> None:
    if sum(len(name.encode()) + len(value.encode()) for name, value in env.items()) > LARGEST_ENV:
        raise invalid("/env", f"takes at most {LARGEST_ENV // 1024} KB of names and values together")


def merged_env(before: Mapping[str, str], sent: Mapping[str, str | None], pointer: str) -> dict[str, str]:
    """`sent`, which stood at `pointer`, merged over `before`; None removes a name. `400 masked_value` for a value that is the mask."""
    masked = [name for name, value in sent.items() if value == MASK]
    if masked:
        errors = [FieldError(pointer=f"{pointer}/{name}", detail="is masked") for name in masked]
        raise Problem("masked_value", f"{', '.join(masked)}: the mask is not a value.", errors=errors)
    after = {name: value for name, value in {**before, **sent}.items() if value is not None}
    check_env(after)
    return after


def check_ref(ref: str, pointer: str) -> str:
    """The rest of what `git check-ref-format --branch` asks for."""
    if _NO_REF.search(ref):
        raise invalid(pointer, "is no name that git takes for a branch, tag or commit")
    return ref


def to_relative(path: str, pointer: str) -> str | None:
    """A path below the repository's root in its shortest spelling; None for the root itself."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or any(part == ".." or part.startswith("-") for part in parts):
        raise invalid(pointer, "takes a path below the repository's root: no / or - at the beginning, no ..")
    return "/".join(parts) or None


def check_build(build: BuildBody) -> None:
    """Arguments that are BuildKit's own could have it run another frontend than ours."""
    wrong = next((name for name in build.args if name.upper().startswith("BUILDKIT_")), None)
    if wrong is not None:
        raise invalid(f"/build/args/{wrong}", "is a name that the builder itself uses")
