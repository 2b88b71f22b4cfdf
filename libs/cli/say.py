"""How the command line speaks of what went wrong: a sentence on standard error and an exit status, never a traceback for what we know."""

import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from libs.cli import show
from libs.cli.remote.errors import Json, VerbError

_BROKEN_OFF, _UNREAD = 130, 141
"""As a shell says them: ended by Ctrl-C, and by a pipe that nobody reads."""


@contextmanager
def plainly() -> Iterator[None]:
    """For the verbs of this machine."""
    from libs.common.errors import DockupError  # noqa: PLC0415 - verbs import late

    try:
        yield
    except DockupError as error:
        click.echo(f"dockup: {error}", err=True)
        sys.exit(1)
    except VerbError as error:
        _complain(words_of(error.problem))
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(_BROKEN_OFF)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}:
            raise
        click.echo(f"dockup: {error.filename or 'the disk'}: {error.strerror}; DOCKUP_HOME names the folder for all state", err=True)
        sys.exit(1)


@contextmanager
def refusals(*, as_json: bool) -> Iterator[None]:
    """For the verbs that ask the API: a problem as words, or as JSON for a program."""
    try:
        yield
    except VerbError as error:
        if as_json:
            click.echo(json.dumps(error.problem, ensure_ascii=False), err=True)
        else:
            _complain(words_of(error.problem))
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(_BROKEN_OFF)
    except BrokenPipeError:
        # How what was begun ends is not known: no success. What is still in the buffer must not be tried again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_UNREAD)


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Ctrl-C ends the process where it stands: as an exception it may come while a lock of the connection is taken, which then stays so."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(_BROKEN_OFF))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _complain(words: str) -> None:
    click.echo(show.harmless(words) if sys.stderr.isatty() else words, err=True)


def words_of(problem: Json) -> str:
    """Title and detail, each wrong field, and what to do next; the code in brackets, to be looked up."""
    title, detail = str(problem.get("title", "")).rstrip("."), str(problem.get("detail") or "")
    said = title if not detail or detail.rstrip(".") == title else f"{title}: {detail}"
    code = problem.get("code")
    lines = [f"dockup: {said.rstrip('.')}" + (f" ({code})" if code not in {None, "unreachable", "failed"} else "")]
    lines += [
        f"  {error['pointer'].lstrip('/')}: {error['detail']}" for error in problem.get("errors", []) if error["detail"] not in detail
    ]
    lines += [f"  | {line}" for line in problem.get("evidence", [])]
    return "\n".join([*lines, *([f"  {problem['hint']}"] if problem.get("hint") else [])])
