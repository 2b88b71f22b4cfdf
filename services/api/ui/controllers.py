"""The web UI: one page and its files. It has no routes of its own beyond them: it talks to `/api/v1` as every client does."""

from litestar import Controller, MediaType, Response, get

from services.api.http.problems import not_found
from services.api.ui import assets

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""No inline script, and no text that ever becomes markup: the browser itself refuses `innerHTML`."""

_PAGE_HEADERS = {"Content-Security-Policy": _CSP, "Cache-Control": "no-cache", "Cross-Origin-Opener-Policy": "same-origin"}
_FOR_EVER = "public, max-age=31536000, immutable"


class UiController(Controller):
    include_in_schema = False

    @get("/", media_type=MediaType.HTML)
    async def home(self) -> Response[bytes]:
        """Sign in, projects, API keys."""
        return Response(assets.page(), media_type=MediaType.HTML, headers=_PAGE_HEADERS)

    @get("/ui/{version:str}/{name:str}")
    async def file(self, *, version: str, name: str) -> Response[bytes]:
        """A script, a style or a picture. One that is asked for under another version's path comes, but is not kept."""
        asset = assets.assets().get(name)
        if asset is None:
            raise not_found("file", name)
        kept = _FOR_EVER if version == assets.version() else "no-store"
        return Response(asset.body, media_type=asset.media_type, headers={"Cache-Control": kept})
