"""The API as it is, with one route more: a hello behind everything that the other routes pass. Started by the read benchmark."""

import os

import uvicorn
from litestar import get

from libs.common import log
from libs.common.config import load
from services.api import __main__ as api
from services.api.app import create_app
from services.api.http.guards import scope
from services.api.routes import STATE_ROUTES
from services.api.settings import Settings

PORT = "BENCH_PORT"


@get("/hello", guards=[scope("read")])
async def hello() -> dict[str, str]:
    """Say hello."""
    return {"hello": "world"}


def main() -> None:
    log.configure("api")
    STATE_ROUTES.append(hello)
    settings = load(Settings, {**os.environ, "DOCKUP_API_PORT": os.environ[PORT]})
    app = create_app(settings)
    uvicorn.Server(api._config(app, settings)).run()


if __name__ == "__main__":
    main()
