"""The Procfile of a source: a line a process type, `name: command`, as Heroku's documentation of the file has it."""

import re
import shlex
from pathlib import Path

from services.builder.failed import because
from services.builder.source import tree

NAME = "Procfile"
_WEB, _RELEASE = "web", "release"
_MOST = 10
_LONGEST = 2_000
_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+)\s*:\s*(?P<command>\S.*)")
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,19}")
_SHELL = re.compile(r"[$`~*?\[\]{}()|&;<>!#\\]|^\w+=")
_COMPOUND = re.compile(r"[;&|<>()`]|^\w+=|^exec\b|^cd\b")
_TAKEN = {"run"}

Commands = dict[str, tuple[str, ...]]


def read(top: Path, folder: Path) -> Commands:
    """The commands by name, without `web`, which the image itself starts; none where there is no such file.

    `Failed` for a line that is none, and for a name that no process can have: what the file asks for is not left out in silence.
    """
    found = {name: _words(number, text) for name, (number, text) in _lines(top, folder).items()}
    found.pop(_WEB, None)
    if len(found.keys() - {_RELEASE}) > _MOST:
        raise because("build_failed", f"{NAME} has {len(found)} processes beside web; {_MOST} is the most.", hint=f"Correct {NAME}.")
    return found


def web(top: Path, folder: Path) -> str:
    """The command of `web` as it is written, or nothing. `Failed` as `read`."""
    return _lines(top, folder).get(_WEB, (0, ""))[1]


def _lines(top: Path, folder: Path) -> dict[str, tuple[int, str]]:
    """The number and the command of each process's line."""
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(tree.read(top, folder / NAME).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, command = _parsed(number, text)
        if name in found:
            raise _wrong(number, f"the process {name} is there twice")
        found[name] = (number, command)
    return found


def _parsed(number: int, text: str) -> tuple[str, str]:
    match = _LINE.fullmatch(text)
    if match is None or not text.isprintable() or len(text) > _LONGEST:
        raise _wrong(number, "it is no `name: command` of at most 2,000 printable characters")
    name = match["name"].lower().replace("_", "-")
    if not _TYPE.fullmatch(name) or name in _TAKEN:
        raise _wrong(number, f"no process can be called {match['name']!r}: a letter, then at most 19 of a-z, 0-9 and -, and not run")
    return name, match["command"]


def _words(number: int, command: str) -> tuple[str, ...]:
    """Split into words; what needs a shell gets one."""
    if _SHELL.search(command):
        return in_shell(command)
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise _wrong(number, f"its command cannot be split into words: {error}") from error


def in_shell(command: str) -> tuple[str, ...]:
    """A command line as a shell takes it, which gives way to the program where it can, so that the program gets the signals."""
    return ("sh", "-c", command if _COMPOUND.search(command) else f"exec {command}")


def _wrong(number: int, why: str) -> Exception:
    return because("build_failed", f"Line {number} of the {NAME} is not understood: {why}.", hint=f"Correct {NAME}, then deploy again.")
