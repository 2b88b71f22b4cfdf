"""Structured logs: one JSON object a line on standard output, with what the request or message bound to it.

`request_id`, `cause` (the message that led here) and `actor` travel in message headers, so one grep shows a request's whole way.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TextIO, cast

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars

HEADERS = {"request_id": "Dockup-Request-Id", "cause": "Dockup-Cause", "actor": "Dockup-Actor"}


class Output:
    """Standard output as a text file that takes no offence: where a line can't be written (a full disk, a reader that went), work goes on.

    The next line that can be says how many were lost.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._lost = 0

    def write(self, text: str) -> int:
        notice = f'\n{{"event": "log.lost", "level": "warning", "lines": {self._lost}}}\n' if self._lost else ""
        data = (notice + text).encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            self._lost += 1
        else:
            self._lost = 0
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


def configure(service: str, level: str = "info") -> None:
    """Set structlog up for this process; the standard library's warnings take the same way."""
    output = Output()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", output)),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(
        stream=output,
        level=logging.WARNING,
        format=f'{{"service": "{service}", "level": "%(levelname)s", "logger": "%(name)s", "event": %(message)r}}',
        force=True,
    )


def outgoing() -> dict[str, str]:
    """The headers that carry the present context on."""
    context = get_contextvars()
    return {header: str(context[name]) for name, header in HEADERS.items() if context.get(name)}


def incoming(headers: Mapping[str, str] | None, *, cause: str = "") -> AbstractContextManager[None]:
    """Bind what a message carries for the length of a `with` block; `cause` is that message's own id."""
    found = {name: (headers or {}).get(header, "") for name, header in HEADERS.items()}
    return bound_contextvars(**{**found, "cause": cause or found["cause"]})
