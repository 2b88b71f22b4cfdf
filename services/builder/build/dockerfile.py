"""What may not stand in a Dockerfile, nor among build arguments, whoever wrote them. Pure."""

import re
from collections.abc import Mapping

from services.builder.failed import because

_SYNTAX = re.compile(r"\s*(?:#|//)\s*syntax\s*=\s*(?P<image>\S+)", re.IGNORECASE)
_OFFICIAL = re.compile(r"(?:docker\.io/)?docker/dockerfile(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_ARGUMENT = 32_768


def check(text: str) -> None:
    """Refuse a frontend other than Docker's own: one could name any image of this machine without our seeing it."""
    for line in text.lstrip("\ufeff").splitlines():
        found = _SYNTAX.match(line)
        if found and not _OFFICIAL.fullmatch(found["image"]):
            raise because("unsafe_source", f"The Dockerfile wants {found['image'][:200]} to read it, and only docker/dockerfile may.")
        if line.strip() and not line.lstrip().startswith(("#", "//")):
            break
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        raise because("unsafe_source", "The Dockerfile is JSON.")


def arguments(args: Mapping[str, str]) -> list[str]:
    """The build arguments as the command line takes them; `Failed` for a name that is none, or that rules BuildKit itself."""
    words: list[str] = []
    for name, value in args.items():
        if not _NAME.fullmatch(name) or name.upper().startswith("BUILDKIT_"):
            raise because("build_failed", f"{name[:200]!r} is no name that a build argument can have.", hint="Rename the build argument.")
        if "\0" in value or len(value) > _MOST_ARGUMENT:
            raise because("build_failed", f"The value of the build argument {name} is too long, or not text.", hint="Shorten it.")
        words += ["--build-arg", f"{name}={value}"]
    return words


def secret_name(name: str) -> str:
    """Check the name of a secret, which becomes a file's."""
    if not _NAME.fullmatch(name):
        raise because("build_failed", f"{name[:200]!r} is no name that a build secret can have.", hint="Rename it in the app's env.")
    return name
