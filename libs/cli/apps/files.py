"""Files that verbs are given: by name, or `-` for standard input. What cannot be read is a usage error."""

import sys
from pathlib import Path
from typing import BinaryIO

import click


def opened(source: str) -> BinaryIO:
    """To be read once. A folder and a terminal are refused, with the way that works."""
    if source == "-":
        if sys.stdin.isatty():
            raise click.UsageError("Nothing comes on standard input: docker save IMAGE | dockup deploy APP -")
        return sys.stdin.buffer
    if Path(source).is_dir():
        way = "Build it here: docker build -t NAME . && docker save NAME | dockup deploy APP -"
        raise click.UsageError(f"{source} is a folder, and what `docker save` writes is taken. {way}")
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise click.UsageError(f"{source} cannot be read: {error.strerror}") from error


def text_of(source: str) -> str:
    """All of it, in UTF-8."""
    with opened(source) as file:
        try:
            return file.read().decode()
        except UnicodeDecodeError as error:
            raise click.UsageError(f"{source} is no text in UTF-8.") from error
