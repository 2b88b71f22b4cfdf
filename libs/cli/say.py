"""How the command line speaks of what went wrong: a sentence on standard error and exit status 1, never a traceback for what we know."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from libs.common.errors import DockupError


@contextmanager
def plainly() -> Iterator[None]:
    try:
        yield
    except DockupError as error:
        typer.echo(f"dockup: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(130) from error
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}:
            raise
        typer.echo(f"dockup: {error.filename or 'the disk'}: {error.strerror}; DOCKUP_HOME names the folder for all state", err=True)
        raise typer.Exit(1) from error
