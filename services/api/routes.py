"""The routes of projects, apps, deployments and events: what `create_app` registers under `/api/v1`."""

from litestar.types import ControllerRouterHandler

STATE_ROUTES: list[ControllerRouterHandler] = []
