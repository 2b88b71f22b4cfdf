"""The web UI: one page and its files. It has no routes of its own beyond them: it talks to `/api/v1` as every client does."""

from typing import Annotated, Any

from litestar import Controller, MediaType, Request, Response, get
from litestar.params import Parameter

from services.api.http.given import InPath
from services.api.http.problems import not_found
from services.api.ui import assets

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""No inline script, and no text that ever becomes markup: the browser itself refuses `innerHTML`."""

Came = Annotated[str | None, Parameter(max_length=100, description="Of a browser that is back from a git host: what came of it.")]
_PAGE_HEADERS = {"Content-Security-Policy": _CSP, "Cache-Control": "no-cache", "Cross-Origin-Opener-Policy": "same-origin"}
_FOR_EVER = "public, max-age=31536000, immutable"


class UiController(Controller):
    include_in_schema = False

    @get("/", media_type=MediaType.HTML)
    async def home(self, *, git: Came = None) -> Response[bytes]:
        """The page; its scripts read from the address what to show."""
        del git
        return Response(assets.page(), media_type=MediaType.HTML, headers=_PAGE_HEADERS)

    @get("/ui/{version:str}/{name:str}")
    async def file(self, *, request: Request[Any, Any, Any], version: InPath, name: InPath) -> Response[bytes]:
        """A script, a style or a picture, packed where the browser takes it. One asked for under another version's path is not kept."""
        asset = assets.assets().get(name)
        if asset is None:
            raise not_found("file", name)
        kept = _FOR_EVER if version == assets.version() else "no-store"
        headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(asset.body, media_type=asset.media_type, headers=headers)
        return Response(asset.packed, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})
