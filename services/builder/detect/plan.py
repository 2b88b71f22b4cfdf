"""Which language it is: each is asked in turn, and the first that knows its own says how it is built."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from services.builder.failed import because
from services.builder.source import procfile, tree

USER = "10001:10001"
"""Nobody in particular: no base image has to know it."""
PORT = 8080
BASE_IMAGES = {
    "python": "python:{version}-slim",
    "node": "node:{version}-slim",
    "go": "golang:{version}-alpine",
    "ruby": "ruby:{version}-slim",
    "php": "php:{version}-apache",
    "rust": "rust:{version}-slim",
    "static": "nginxinc/nginx-unprivileged:stable-alpine",
    "binary": "gcr.io/distroless/static-debian12:nonroot",
    "debian": "debian:bookworm-slim",
}
"""What each is built from; `DOCKUP_BASE_IMAGES` replaces any of them. `{version}` is what the source asks for, or ours."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` completes the sentence "this is `kind`, because …"."""

    kind: str
    reason: str
    dockerfile: str


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """The files of the source, read through checks: a link out of the repository has no text."""

    top: Path
    folder: Path

    def has(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def text(self, name: str) -> str:
        return tree.read(self.top, self.folder / name)

    def toml(self, name: str) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text(name))
        except (ValueError, RecursionError):
            return {}

    def json(self, name: str) -> dict[str, Any]:
        try:
            return msgspec.json.decode(self.text(name) or "{}", type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise because("build_failed", f"{name} cannot be read: {error}.", hint=f"Correct {name}.") from error

    def first(self, *names: str) -> str:
        """The first of the files that is there, or nothing."""
        return next((name for name in names if self.has(name)), "")

    def names(self, suffix: str) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name.endswith(suffix) and path.is_file())

    @property
    def web(self) -> str:
        """The command of the Procfile's `web`, or nothing."""
        return procfile.web(self.top, self.folder)


class Bases(msgspec.Struct, frozen=True, kw_only=True):
    """The base images: ours, and those that the operator put in their place."""

    replaced: Mapping[str, str]

    def image(self, name: str, version: str = "") -> str:
        return self.replaced.get(name, BASE_IMAGES[name]).replace("{version}", version)


Detect = Callable[[Tree, Bases], Plan | None]


def plan(source: Tree, replaced: Mapping[str, str]) -> Plan:
    """Say how it is built; `Failed` with `nothing_detected` where nothing is known."""
    # Here, for each language is a file that reads this one.
    from services.builder.detect import languages  # noqa: PLC0415

    for detect in languages.ALL:
        if found := detect(source, Bases(replaced=replaced)):
            return found
    seen = ", ".join(sorted(path.name for path in source.folder.iterdir())[:20]) or "nothing"
    raise because(
        "nothing_detected",
        f"There is no Dockerfile, and neither {languages.SIGNS} is there. What is there: {seen}.",
        data={"looked_for": languages.SIGNS},
    )


def command(text: str) -> str:
    """A command line as CMD takes it: a shell replaces itself by it, so that the program gets the signals."""
    return f"CMD {array(*procfile.in_shell(text))}"


def array(*words: str) -> str:
    return msgspec.json.format(msgspec.json.encode(list(words)), indent=0).decode()


def version(text: str, pattern: str, ours: str) -> str:
    """The version that the source names, as far as a tag of an image can be made of it; else ours."""
    found = re.search(pattern, text)
    return found[1] if found else ours
