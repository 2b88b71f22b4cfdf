"""Structured logs: one JSON object a line on standard output, with what the request or message bound to it.

`request_id`, `cause` (the message that led here) and `actor` travel in message headers, so one grep shows a request's whole way.
"""

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars

HEADERS = {"request_id": "Dockup-Request-Id", "cause": "Dockup-Cause", "actor": "Dockup-Actor"}


def configure(service: str, level: str = "info") -> None:
    """Set structlog up for this process; the standard library's warnings take the same way."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(
        stream=sys.stdout,
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
