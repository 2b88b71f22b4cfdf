"""The errors of an operation: those of its shape, and those of the table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from services.api.disks.room import ROOM
from services.api.http.answers import PROBLEM_JSON
from services.api.http.catalogue import CATALOGUE
from services.api.http.problems import FieldError, Problem
from services.api.openapi import headers
from services.api.recovery.gate import FREE

if TYPE_CHECKING:
    from services.api.openapi.document import Found

Json = dict[str, Any]
_EXAMPLE_ID = "req_019c13f1d3a27d4e8f5061728394a5b6"

SCHEMA: Json = {
    "title": "Problem",
    "description": "RFC 9457. Some codes add members: `deployment`, `restart_after`, `used` and `allowed`.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "hint", "retryable", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "A page on this server that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What went wrong this time."},
        "code": {"type": "string", "description": "Stable: decide by this."},
        "hint": {"type": "string", "description": "What to do next."},
        "retryable": {"type": "boolean", "description": "The same request may succeed later."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_OF_BODY = ("malformed_json", "unknown_field", "body_too_large", "unsupported_media_type")
_OF_EVERY = ("malformed_request", "unknown_parameter", "internal_error", "database_unavailable")


def codes(found: "Found") -> list[str]:
    """Every code that the operation can give."""
    shape = [*_OF_EVERY]
    if found.scope:
        shape += ["unauthenticated", "forbidden"]
    if "{" in found.path:
        shape.append("not_found")
    if found.method != "GET":
        shape += _OF_BODY
        if not found.handler.opt.get(FREE):
            shape.append("recovery_needed")
    if found.handler.opt.get(ROOM):
        shape.append("disk_full")
    if found.body is not None or found.spec.get("parameters"):
        shape.append("validation_failed")
    if any(parameter["name"] == "cursor" for parameter in found.spec.get("parameters", [])):
        shape.append("invalid_cursor")
    if found.method == "POST" and found.scope:
        shape.append("idempotency_key_reused")
    return sorted({*shape, *found.entry.errors})


def responses(names: list[str]) -> Json:
    """One response a status, with an example for each of its codes."""
    found: Json = {}
    for name in names:
        entry = CATALOGUE[name]
        response = found.setdefault(str(entry.status), _empty())
        response["content"][PROBLEM_JSON]["examples"][name] = {"$ref": f"#/components/examples/{name}"}
    for status, response in found.items():
        response["headers"] = headers.of_error(status)
        response["description"] = ", ".join(f"`{name}`" for name in response["content"][PROBLEM_JSON]["examples"])
    return dict(sorted(found.items()))


def examples(names: Iterable[str], url: str) -> Json:
    """`components.examples`: one problem of each code."""
    return {name: {"summary": CATALOGUE[name].title, "value": _example(name, url)} for name in sorted(names)}


def _empty() -> Json:
    media = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
    return {"description": "", "content": {PROBLEM_JSON: media}}


def _example(name: str, url: str) -> Json:
    field = FieldError(pointer="/internal_port", detail="Expected int <= 65535")
    is_about_fields = name in {"validation_failed", "unknown_field", "unknown_parameter", "read_only_field"}
    return Problem(name, errors=[field] if is_about_fields else ()).body(url, _EXAMPLE_ID)
