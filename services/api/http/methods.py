"""Which methods a path takes: what `Allow` says. Litestar's own answer to OPTIONS knows only one of the handlers of a path."""

from litestar import Litestar
from litestar.exceptions import MethodNotAllowedException, NotFoundException

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def allow(app: Litestar, path: str) -> str:
    """The value of `Allow` for a path that exists."""
    allowed = []
    for method in _METHODS:
        try:
            app.asgi_router.handle_routing(path=path.rstrip("/") or "/", method=method)
        except (MethodNotAllowedException, NotFoundException):
            continue
        allowed += ["GET", "HEAD"] if method == "GET" else [method]
    return ", ".join([*allowed, "OPTIONS"])
