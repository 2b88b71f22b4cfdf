"""Every error that is raised becomes an `application/problem+json` answer here."""

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.api.http.methods import allow
from services.api.http.problems import FieldError, Problem

PROBLEM_JSON = "application/problem+json"
_POSTGRES_AWAY = ("08", "53", "57P", "40")
"""Classes of its SQLSTATE: connections, resources (too many connections), its operator, who stops or starts it, a deadlock it ended."""
_SQLITE_AWAY = ("locked", "busy", "unable to open", "disk", "readonly")

logger = structlog.get_logger()


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The exception handler of the app."""
    problem = as_problem(request, error)
    scope = request.scope
    body = problem.body(request.app.state.base_url, scope.get("request_id", ""))  # type: ignore[arg-type]
    return Response(
        msgspec.json.encode(body),
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers={**_challenge(problem, request.headers), **problem.headers},
    )


def as_problem(request: Request[Any, Any, Any], error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _of_litestar(request, error)
    if away := database_away(error):
        return away
    logger.error("request.failed", method=request.method, path=request.url.path, exc_info=error)
    return Problem("internal_error")


def _of_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Problem:
    if isinstance(error, ValidationException):
        return _of_validation(error)
    if isinstance(error, MethodNotAllowedException):
        taken = allow(request.app, request.scope["path"])
        return Problem("method_not_allowed", f"{request.method} is not taken here; this path takes {taken}.", headers={"Allow": taken})
    if isinstance(error, NotFoundException):
        return Problem("not_found", f"There is no route {request.scope['path']}.")
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        return Problem("body_too_large")
    if isinstance(error, ClientException):
        return Problem("malformed_request", f"{error.detail}.")
    logger.error("request.failed", method=request.method, path=request.url.path, exc_info=error)
    return Problem("internal_error")


def _of_validation(error: ValidationException) -> Problem:
    found = error.extra if isinstance(error.extra, list) else []
    errors = [
        FieldError(pointer=f"/{item.get('key', '')}", detail=str(item.get("message", "does not fit")).replace("`", ""))
        for item in found
        if isinstance(item, Mapping)
    ]
    if len(errors) > 1:  # Litestar names the body too whenever a parameter is wrong
        errors = [item for item in errors if item.pointer != "/data"]
    if any(item.pointer == "/data" for item in errors):
        return Problem("validation_failed", "The body is missing: this route takes a JSON object.")
    detail = f"{errors[0].pointer[1:]}: {errors[0].detail}." if errors else f"{error.detail}."
    return Problem("validation_failed", detail, errors=errors)


def database_away(error: Exception) -> Problem | None:
    """`503 database_unavailable`, if that is what it is."""
    if not _is_database_away(error):
        return None
    logger.warning("database.away", error=str(error) or type(error).__name__)
    return Problem("database_unavailable", headers={"Retry-After": "2"})


def _is_database_away(error: Exception) -> bool:
    """Whether it is the database that is away, locked or full, and not a statement of ours that is wrong."""
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return any(word in str(error.orig) for word in _SQLITE_AWAY)
    if isinstance(error, DBAPIError) and (error.connection_invalidated or _state(error).startswith(_POSTGRES_AWAY)):
        return True
    return isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError, ConnectionError))


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _challenge(problem: Problem, headers: Mapping[str, str]) -> dict[str, str]:
    """What RFC 6750 wants beside a 401."""
    if problem.status != 401:  # noqa: PLR2004 - the status itself
        return {}
    invalid = ', error="invalid_token"' if problem.code == "unauthenticated" and "authorization" in headers else ""
    return {"WWW-Authenticate": f'Bearer realm="dockup"{invalid}'}
