"""Headers of answers: which stand where, and what they say."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from services.api.apps.schemas import App
from services.api.autoscale.schemas import Autoscaling
from services.api.projects.schemas import Project

if TYPE_CHECKING:
    from services.api.openapi.document import Found

Json = dict[str, Any]


def _header(description: str, example: str | int) -> Json:
    kind = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": kind}, "example": example}


COMPONENTS: Json = {
    "Request-Id": _header("The request's id; a client's own is kept.", "req_019c13f1d3a27d4e8f5061728394a5b6"),
    "Location": _header(
        "Where the resource is, or what the work can be followed by.", "/api/v1/deployments/dep_019c13f1d3a47b9c8dbecfd0e1f20314"
    ),
    "ETag": _header("The version of the settings, for If-Match.", '"cd327ef0c85b5333cb84d31c4f3894d4"'),
    "Idempotent-Replay": _header("`true`: the first answer to this Idempotency-Key again.", "true"),
    "Retry-After": _header("Seconds to wait before the same request is sent again.", 30),
    "RateLimit": _header("What is left (r) and the seconds until it is refilled (t).", '"login";r=0;t=30'),
    "RateLimit-Policy": _header("What is allowed (q) in a window of so many seconds (w).", '"login";q=10;w=60'),
    "WWW-Authenticate": _header("RFC 6750.", 'Bearer realm="dockup"'),
}
_OF_STATUS = {
    "401": ("WWW-Authenticate",),
    "412": ("ETag",),
    "429": ("Retry-After", "RateLimit", "RateLimit-Policy"),
    "503": ("Retry-After",),
}
_VERSIONED = (App, Autoscaling, Project, dict[str, str])
"""The last: environment variables."""
_LOCATED = {201, 202, 303}
_NOWHERE = {"createUser", "register", "deleteProject", "receiveGithub", "receiveForApp"}
"""What they make or leave has no address of its own."""


def of_answer(found: "Found", status: int, kind: Any) -> Json:  # noqa: ANN401 - any type that a route gives
    """The headers of an answer that is no error."""
    names = []
    if status in _LOCATED and found.name not in _NOWHERE:
        names.append("Location")
    if kind in _VERSIONED:
        names.append("ETag")
    if found.method == "POST" and found.name != "logIn":
        names.append("Idempotent-Replay")
    return _refs(names)


def of_error(status: str) -> Json:
    return _refs(_OF_STATUS.get(status, ()))


def _refs(names: Iterable[str]) -> Json:
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"X-Request-Id": {"$ref": "#/components/headers/Request-Id"}, **refs}
