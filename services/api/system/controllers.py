"""Public routes about the server itself: its status and its error codes; and the numbers for Prometheus."""

from typing import Annotated, Any

from litestar import Controller, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.params import PathParameter
from prometheus_client import generate_latest

from services.api.http.catalogue import CATALOGUE, Code
from services.api.http.guards import scope
from services.api.http.problems import Problem, not_found
from services.api.http.strict import Cursor, Limit
from services.api.system.pages import code_page
from services.api.system.schemas import CodePage, Status

_CODES = sorted(CATALOGUE.values(), key=lambda entry: entry.code)
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
CodeName = Annotated[str, PathParameter(description="An error code, as in `code` of a problem.")]


class SystemController(Controller):
    tags = ("System",)

    @get("/system/status")
    async def get_status(self, request: Request[Any, Any, State]) -> Status:
        """How the server is. Use it to verify that a host is Dockup. It answers within a second whatever is away."""
        status: Status = await request.app.state.health.status()
        return status

    @get("/errors")
    async def list_errors(self, limit: Limit = 200, cursor: Cursor = None) -> CodePage:
        """Every error code, with what to do next."""
        if cursor is not None and cursor not in CATALOGUE:
            raise Problem("invalid_cursor")
        rest = [entry for entry in _CODES if cursor is None or entry.code > cursor]
        items = rest[:limit]
        return CodePage(items=items, next_cursor=items[-1].code if len(rest) > limit else None)

    @get("/errors/{code:str}")
    async def get_error(self, request: Request[Any, Any, State], code: CodeName) -> Code:
        """One error code. A browser gets a page."""
        entry = CATALOGUE.get(code)
        if entry is None:
            raise not_found("error code", code)
        if request.accept.best_match(["application/json", "text/html"], default="application/json") == "text/html":
            return Response(code_page(entry), media_type=MediaType.HTML)  # type: ignore[return-value]
        return entry


@get("/healthz", media_type=MediaType.TEXT, include_in_schema=False)
async def healthz() -> str:
    """The process answers. What it depends on is in /api/v1/system/status."""
    return "ok\n"


@get("/metrics", guards=[scope("read")], include_in_schema=False)
async def metrics() -> Response[bytes]:
    """Prometheus text. The proxy refuses this path; it is for scrapers on the machine."""
    return Response(generate_latest(), media_type=_PROMETHEUS)
