"""Everything outside of /api/v1 that needs no token: pages, and documents that programs find by well-known names."""

from pathlib import Path
from typing import Any

from litestar import Controller, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.response import File

from services.api.http.given import InPath
from services.api.http.problems import not_found
from services.api.openapi.document import build
from services.api.site import documents, pages

_FOLDER = Path(__file__).with_name("swagger")
_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
}
_CSP = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
_DOCS_CSP = f"{_CSP}; script-src 'self'; connect-src 'self'; font-src 'self' data:"
_DAY = "public, max-age=86400"

Asked = Request[Any, Any, State]


class SiteController(Controller):
    include_in_schema = False

    @get("/docs")
    async def docs(self) -> Response[str]:
        """The API reference. It needs nothing from elsewhere."""
        return Response(pages.DOCS, media_type=MediaType.HTML, headers={"Content-Security-Policy": _DOCS_CSP})

    @get("/docs/start.js")
    async def start(self) -> Response[str]:
        return Response(pages.START, media_type="text/javascript")

    @get("/docs/{name:str}")
    async def docs_file(self, *, name: InPath) -> File:
        """Swagger UI as its makers ship it, with its licence."""
        if name not in _FILES:
            raise not_found("file", name)
        return File(_FOLDER / name, media_type=_FILES[name], content_disposition_type="inline", headers={"Cache-Control": _DAY})

    @get(["/api/v1/openapi.json", "/.well-known/openapi.json", "/swagger.json"])
    async def openapi(self, *, request: Asked) -> Response[bytes]:
        """The OpenAPI document, made at the first request."""
        state = request.app.state
        if state.get("openapi") is None:
            state.openapi = build(request.app, state.settings.url)
        return Response(state.openapi, media_type=MediaType.JSON)

    @get("/llms.txt")
    async def llms(self, *, request: Asked) -> Response[str]:
        return Response(documents.llms_txt(request.app.state.settings), media_type="text/plain")

    @get("/.well-known/ai-plugin.json")
    async def ai_plugin(self, *, request: Asked) -> dict[str, Any]:
        return documents.ai_plugin(request.app.state.settings)

    @get("/.well-known/api-catalog")
    async def api_catalog(self, *, request: Asked) -> Response[dict[str, Any]]:
        profile = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
        return Response(documents.api_catalog(request.app.state.settings), media_type=profile)
