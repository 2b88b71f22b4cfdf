"""How Litestar reads a request: bodies by `strict`, and nothing in query or body that the route does not know."""

from typing import Any, NoReturn

from litestar._openapi.schema_generation import SchemaCreator
from litestar.connection import ASGIConnection, Request
from litestar.dto import AbstractDTO
from litestar.openapi.spec import Reference, Schema
from litestar.params import BodyKwarg
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from services.api.http import strict
from services.api.http.guards import Scope, guards_of
from services.api.http.problems import FieldError, Problem

RAW_BODY = "raw_body"
"""`opt={RAW_BODY: True}` on a route without `data` that reads the body by itself."""

_FORM = "application/x-www-form-urlencoded"
_FORM_HINT = "curl -d sends a form unless it is told otherwise: add -H 'Content-Type: application/json', and send a JSON object."


class StrictJson(AbstractDTO[Any]):
    """Reads the `data` argument of every route; set once, on the app."""

    _kinds: dict[str, Any] = {}  # noqa: RUF012 - one table for all routes, filled while the app is put together

    def decode_bytes(self, value: bytes) -> Any:  # noqa: ANN401 - the route's own type
        connection: ASGIConnection[Any, Any, Any, Any] = self.asgi_connection
        return strict.decode(value, self._kinds[str(connection.route_handler.handler_id)])

    def decode_builtins(self, value: dict[str, Any]) -> NoReturn:
        raise NotImplementedError(f"no route takes a form: {value.keys()}")

    @classmethod
    def create_for_field_definition(cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None) -> None:  # noqa: ANN401, ARG003 - Litestar's signature
        cls._kinds[handler_id] = field_definition.annotation

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        return field_definition.name == "data"

    @classmethod
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator) -> Reference | Schema:
        del handler_id
        kwarg = field_definition.kwarg_definition if isinstance(field_definition.kwarg_definition, BodyKwarg) else None
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(field_definition.annotation, kwarg_definition=kwarg))

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> NoReturn:
        raise NotImplementedError(f"{model_type} is read by msgspec itself")

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        raise NotImplementedError(f"{field_definition.name} is read by msgspec itself")


async def check_media_type(request: Request[Any, Any, Any]) -> None:
    """`415` unless the body is JSON. `curl -d ''` calls what it sends a form: without content that is no body, like any other nothing."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Problem("unsupported_media_type", f"The body came with Content-Encoding {encoding}; this route takes it as it is.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in {"", "application/json"} or (media_type == _FORM and not await request.body()):
        return
    hint = _FORM_HINT if media_type == _FORM else ""
    raise Problem("unsupported_media_type", f"The body came as {media_type!r}; this route takes application/json.", hint=hint)


class Knows:
    """What each route asks of a token and takes in its query. `check` runs before every request."""

    def __init__(self) -> None:
        self._known: dict[object, frozenset[str]] = {}
        self._bodiless: set[object] = set()
        self._guards: dict[object, list[Scope]] = {}

    def learn(self, routes: list[Any]) -> None:
        """Read the routes' own signatures, once they are all registered."""
        for route in routes:
            if isinstance(route, HTTPRoute):
                for handler, model in route.route_handler_map.values():
                    self._guards[handler] = guards_of(handler)
                    self._known[handler] = frozenset(item.field_alias for item in model.expected_query_params)
                    if "data" not in handler.parsed_fn_signature.parameters and not handler.opt.get(RAW_BODY):
                        self._bodiless.add(handler)

    async def check(self, request: Request[Any, Any, Any]) -> None:
        scope = request.scope
        handler = scope["route_handler"]
        for guard in self._guards[handler]:
            await guard(request, handler)
        if "\0" in scope["path"]:  # PostgreSQL takes no such text, and no name has it
            raise Problem("not_found", "No path has the character U+0000.")
        if scope["query_string"]:
            _check_query(request, self._known[handler])
        if scope["method"] not in {"GET", "HEAD"} and not handler.opt.get(RAW_BODY):
            await check_media_type(request)
            if handler in self._bodiless:
                await _check_no_body(request)


def _check_query(request: Request[Any, Any, Any], known: frozenset[str]) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    unknown = [FieldError(pointer=f"/{name}", detail="is not a query parameter of this route") for name in names if name not in known]
    if unknown:
        named = ", ".join(error.pointer[1:] for error in unknown)
        knows = ", ".join(sorted(known)) or "none"
        raise Problem("unknown_parameter", f"There is no query parameter {named}; this route takes: {knows}.", errors=unknown)
    if b"%00" in request.scope["query_string"]:
        nul = [
            FieldError(pointer=f"/{name}", detail="holds the character U+0000")
            for name, value in request.query_params.multi_items()
            if "\0" in value
        ]
        raise Problem("validation_failed", "The query holds the character U+0000.", errors=nul)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        errors = [FieldError(pointer=f"/{name}", detail="is given more than once") for name in twice]
        raise Problem("validation_failed", f"{', '.join(twice)}: given more than once.", errors=errors)


async def _check_no_body(request: Request[Any, Any, Any]) -> None:
    """An empty object is as good as nothing; anything else would be ignored in silence."""
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return
    body = await request.body()
    if not body.strip():
        return
    strict.decode(body, strict.Body)
