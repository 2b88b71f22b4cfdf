"""The API's process: uvicorn on the loopback; the proxy stands in front of it."""

import sys

import uvicorn

from libs.common import log
from libs.common.config import SettingError, load
from services.api.app import create_app
from services.api.db.migrate import HEAD, NewerSchemaError, migrate_apart, refuse_newer
from services.api.http.edge import Edge
from services.api.http.protocol import Protocol
from services.api.settings import Settings


def main() -> None:
    """Run until SIGTERM. Unlike the other services it does not wait for the bus: it answers, and says that it is degraded."""
    try:
        settings = load(Settings)
        schema = refuse_newer(settings.database)
    except (SettingError, NewerSchemaError) as error:
        sys.stderr.write(f"api: {error}\n")
        raise SystemExit(2) from error
    log.configure("api", settings.log_level)
    if schema != HEAD:
        migrate_apart(settings.database)
    app = create_app(settings)
    server = uvicorn.Server(_config(app, settings))

    def stop() -> None:
        server.should_exit = True

    app.state.stop = stop
    server.run()


def _config(app: Edge, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        http=Protocol,
        ws="websockets-sansio",
        # A slow reader answers a ping once it has read what was sent before.
        ws_ping_timeout=120,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
