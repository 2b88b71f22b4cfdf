"""The OpenAPI 3.1 document: paths and parameters from Litestar, schemas from msgspec, errors and examples from our tables."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, get_args

import msgspec
from litestar import Litestar, Response
from litestar._openapi.datastructures import OpenAPIContext
from litestar._openapi.path_item import create_path_item_for_route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.routes import HTTPRoute

from libs.common.version import VERSION
from services.api.http.guards import guards_of, handler_name
from services.api.openapi import errors, headers
from services.api.openapi.examples import EXAMPLES
from services.api.openapi.operation import Operation
from services.api.openapi.operations import OPERATIONS
from services.api.openapi.parameters import IDEMPOTENCY_KEY, tidy
from services.api.uploads.bodies import ARCHIVES, MULTIPART

Json = dict[str, Any]
_JSON = "application/json"
_REF = "#/components/schemas/{name}"
_DESCRIPTION = """Deploys containers and serves them over HTTPS.

Send `Authorization: Bearer` with an API key (`dkp_…`) or the token of `POST /api/v1/auth/login`. Errors are
`application/problem+json`: `code` is stable, `hint` says what to do next, `type` is a page that explains the code.
`{app}` in a path is an app's id or its slug. Fields and query parameters that do not exist are refused, never ignored."""
_UPLOAD: Json = {
    **{kind: {"schema": {"type": "string", "format": "binary", "description": "What docker save writes."}} for kind in ARCHIVES},
    MULTIPART: {
        "schema": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}},
    },
}
_ARCHIVE: Json = {"schema": {"type": "string", "format": "binary", "description": "A tar archive, as it is or compressed."}}


class Found(msgspec.Struct, frozen=True):
    """One operation as Litestar knows it."""

    path: str
    method: str
    handler: HTTPRouteHandler
    spec: Json
    entry: Operation

    @property
    def name(self) -> str:
        return handler_name(self.handler)

    @property
    def scope(self) -> str | None:
        """The scope that the route asks for; None for a public one."""
        guards = guards_of(self.handler)
        return guards[0].needed if guards else None

    @property
    def body(self) -> Any:  # noqa: ANN401 - any type that a route takes
        data = self.handler.parsed_fn_signature.parameters.get("data")
        return data.annotation if data else self.entry.body

    @property
    def body_optional(self) -> bool:
        data = self.handler.parsed_fn_signature.parameters.get("data")
        if self.entry.body is not None:
            return True
        return data is not None and data.has_default

    @property
    def answers(self) -> dict[int, Any]:
        returned = self.handler.parsed_fn_signature.return_type
        kind = returned.args[0] if returned.origin is Response else returned.annotation
        is_said = kind in {bytes, Any} or self.handler.status_code in self.entry.answers
        own = {} if is_said else {self.handler.status_code: kind}
        return dict(sorted({**own, **self.entry.answers}.items()))


def build(app: Litestar, url: str) -> bytes:
    """The document as it is served; `url` is this server's own."""
    found = sorted(_operations(app), key=lambda each: (each.path, each.method))
    kinds = _kinds(found)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    refs = dict(zip(map(str, kinds), schemas, strict=True))
    paths: dict[str, Json] = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, refs)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Dockup", "version": VERSION, "description": _DESCRIPTION},
            "servers": [{"url": url}],
            "paths": dict(sorted(paths.items())),
            "components": {
                "schemas": {**dict(sorted(components.items())), "Problem": errors.SCHEMA},
                "examples": errors.examples({code for each in found for code in errors.codes(each)}, url),
                "headers": headers.COMPONENTS,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a JWT."}},
            },
        }
    )


def _operations(app: Litestar) -> Iterator[Found]:
    config = OpenAPIConfig(title="Dockup", version=VERSION, use_handler_docstrings=True)
    context = OpenAPIContext(openapi_config=config, plugins=app.plugins.openapi)
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        shown = {m: h for m, (h, _) in route.route_handler_map.items() if m != "OPTIONS" and h.resolve_include_in_schema()}
        if not shown:
            continue
        item = create_path_item_for_route(context, route).to_schema()
        for method, handler in shown.items():
            yield Found(route.path_format, method, handler, item[method.lower()], OPERATIONS.get(handler_name(handler), Operation()))


def _kinds(found: list[Found]) -> list[Any]:
    """Every type that is taken or given, once."""
    kinds = [member for each in found for kind in (each.body, *each.answers.values()) for member in _members(kind)]
    return list({str(kind): kind for kind in kinds}.values())


def _members(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any type
    """The types of a union, without None; a type alone is one of itself."""
    members = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return tuple(member for member in members if member not in {None, NoneType})


def _operation(found: Found, refs: dict[str, Json]) -> Json:
    text = " ".join((found.handler.fn.__doc__ or "").split())
    operation: Json = {
        "operationId": found.name,
        "summary": text.partition(". ")[0].partition(": ")[0].rstrip("."),
        "description": text,
        "tags": found.spec.get("tags", []),
        "parameters": [tidy(parameter) for parameter in found.spec.get("parameters", [])],
        "responses": {**_answers(found, refs), **errors.responses(errors.codes(found))},
        "security": [{"bearer": []}] if found.scope else [],
    }
    if found.scope:
        operation["x-scope"] = found.scope
    if found.entry.frames:
        operation["x-websocket"] = True
        operation["responses"] = {"101": {"description": found.entry.frames, "headers": headers.of_error("101")}, **operation["responses"]}
    if found.method == "POST" and found.name != "logIn":
        operation["parameters"].append(IDEMPOTENCY_KEY)
    content = {**({_JSON: _media(found.body, refs)} if found.body is not None else {}), **(_UPLOAD if found.entry.uploads else {})}
    if found.entry.archive:
        content |= dict.fromkeys(ARCHIVES, _ARCHIVE)
    if content:
        operation["requestBody"] = {"required": not found.body_optional, "content": content}
    return operation


def _answers(found: Found, refs: dict[str, Json]) -> Json:
    answers: Json = {}
    for status, kind in found.answers.items():
        answer: Json = {"description": _STATUS.get(status, "Done."), "headers": headers.of_answer(found, status, kind)}
        if _members(kind):
            answer["content"] = {} if kind is str else {_JSON: _media(kind, refs)}
            answer["content"] |= {text: {"schema": {"type": "string"}} for text in found.entry.texts}
        answers[str(status)] = answer
    return answers


_STATUS = {
    200: "Done.",
    201: "Created.",
    303: "Done; the browser is sent on.",
    202: "Accepted: the work goes on; follow Location.",
    204: "Done; there is nothing to say.",
}


def _media(kind: Any, refs: dict[str, Json]) -> Json:  # noqa: ANN401 - any type
    members = _members(kind)
    schemas = [refs[str(member)] for member in members]
    examples = {member.__name__: {"value": msgspec.to_builtins(EXAMPLES[member])} for member in members if member in EXAMPLES}
    return {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}, **({"examples": examples} if examples else {})}
