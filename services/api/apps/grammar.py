"""The grammar and the range of everything that a person can type about an app."""

import os
import shlex
from functools import cache
from typing import Annotated, Literal

import msgspec

from services.api.http.problems import invalid
from services.api.http.strict import Body

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]{1,5})?"
_IMAGE = rf"^(?:{_HOST}/)?{_NAME}(?:/{_NAME})*(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(?:@sha256:[a-f0-9]{{64}})?$"

SLUG_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$"
LARGEST_ENV = 256 * 1024
"""Names and values of an app together, in bytes."""
MOST_REPLICAS = 32
_LEAST_CPU, _LEAST_MEMORY = 0.05, 16
_LONGEST_COMMAND, _LONGEST_WORD = 256, 8192

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


def check_limits(cpu: float | None, memory: int | None) -> None:
    cores, megabytes = machine()
    if cpu is not None and cpu > cores:
        raise invalid("/cpu_limit", f"is {cpu:g}; this machine has {cores} cores")
    if memory is not None and memory > megabytes:
        raise invalid("/memory_limit", f"is {memory}; this machine has {megabytes} MB")


def to_words(command: Command | None, pointer: str = "/command") -> tuple[str, ...] | None:
    """Return the words of a command; a string is split as a POSIX shell would, and no shell ever runs it."""
    if command is None:
        return None
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        raise invalid(pointer, f"cannot be split into words: {error}") from error
    if not words:
        raise invalid(pointer, "has no word; send null for the image's own command")
    if len(words) > _LONGEST_COMMAND or any(len(word) > _LONGEST_WORD or "\0" in word for word in words):
        raise invalid(pointer, f"takes at most {_LONGEST_COMMAND} words of at most {_LONGEST_WORD} characters, without U+0000")
    return tuple(words)


def check_env(env: dict[str, str]) -> None:
    if sum(len(name.encode()) + len(value.encode()) for name, value in env.items()) > LARGEST_ENV:
        raise invalid("/env", f"takes at most {LARGEST_ENV // 1024} KB of names and values together")
