"""A desk to work at: a person with an API key, on a whole Dockup."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from libs.common import ids
from tests import images
from tests.stack import Stack, eventually

Json = dict[str, Any]
WAIT = 60


class Desk:
    """Apps made here are deleted at the end. Every call fails the test unless the answer is a success."""

    def __init__(self, stack: Stack, api: httpx.AsyncClient) -> None:
        self.stack = stack
        self.api = api
        self._project = ""
        self._slugs: list[str] = []

    def slug(self, stem: str = "app") -> str:
        """A slug that nobody had before."""
        slug = f"{stem}-{ids.new('x')[-12:]}"
        self._slugs.append(slug)
        return slug

    async def call(self, method: str, path: str, **given: Any) -> Json:
        answer = await self.api.request(method, path, **given)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        found: Json = answer.json()
        return found

    async def project(self) -> str:
        if not self._project:
            self._project = (await self.call("POST", "/projects", json={"name": ids.new("project")}))["id"]
        return self._project

    async def app(self, image: str | None = None, **fields: Any) -> Json:
        """Make an app without deploying it."""
        body = {"name": "a test", "slug": self.slug(), "image": image or images.web(), "internal_port": images.PORT, **fields}
        return await self.call("POST", f"/projects/{await self.project()}/apps", json=body)

    async def live(self, image: str | None = None, **fields: Any) -> Json:
        """Make an app and deploy it; return it as it is then."""
        app = await self.app(image, **fields)
        deployment = await self.deploy(app["slug"])
        assert deployment["status"] == "live", deployment
        return await self.get(app["slug"])

    async def get(self, app: str) -> Json:
        return await self.call("GET", f"/apps/{app}")

    async def deploy(self, app: str, wait: int = WAIT, **body: Any) -> Json:
        """Deploy and wait; the deployment, which may be live still going on."""
        return await self.call("POST", f"/apps/{app}/deploy", params={"wait": wait}, json=body)

    async def fail(self, app: str, wait: int = WAIT, **body: Any) -> Json:
        """Deploy what must fail; return the deployment."""
        answer = await self.api.post(f"/apps/{app}/deploy", params={"wait": wait}, json=body)
        assert answer.status_code == 422, answer.text
        problem = answer.json()
        assert problem["code"] == "deployment_failed"
        deployment: Json = problem["deployment"]
        return deployment

    async def events(self, app: str) -> list[Json]:
        """The newest events of the app, oldest first."""
        found: list[Json] = (await self.call("GET", f"/apps/{app}/events", params={"limit": 200, "after": 0}))["items"]
        return found

    async def event(self, app: str, kind: str, timeout: float = 30.0) -> Json:
        """Wait for an event of that type."""

        async def ask() -> Json | None:
            return next((event for event in await self.events(app) if event["type"] == kind), None)

        found = await eventually(ask, timeout, what=f"event {kind}")
        assert found
        return found

    async def look(self, app: str, path: str = "/") -> httpx.Response:
        """Ask the app itself, through the proxy."""
        async with self.stack.app_client(app) as client:
            return await client.get(path)

    async def clear(self) -> None:
        for slug in self._slugs:
            await self.api.delete(f"/apps/{slug}", params={"wait": WAIT})


@pytest.fixture
async def desk(stack: Stack, api: httpx.AsyncClient) -> AsyncIterator[Desk]:
    desk = Desk(stack, api)
    yield desk
    await desk.clear()
