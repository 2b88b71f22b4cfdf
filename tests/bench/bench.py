"""What the benchmarks have in common: an app on a stack, and waiting until nothing is under way."""

import asyncio
from typing import Any

import httpx

from tests import images
from tests.stack import Stack, eventually

QUIET = 0.3
"""Seconds of rest between two rounds, so that what one leaves to do is not counted to the next."""


class App:
    """An app that is live."""

    def __init__(self, stack: Stack, api: httpx.AsyncClient, made: dict[str, Any]) -> None:
        self.stack = stack
        self.api = api
        self.id: str = made["app_id"]
        self.slug: str = made["url"].removeprefix("https://").split("-app.", 1)[0]
        self.host = stack.host(self.slug)

    @classmethod
    async def live(cls, stack: Stack, api: httpx.AsyncClient, slug: str, **fields: Any) -> "App":
        body = {"create": True, "project": "bench", "name": slug, "image": images.web(), "internal_port": images.PORT, **fields}
        answer = await api.post(f"/deploy/{slug}", params={"wait": 60}, json=body)
        assert answer.status_code == 200, answer.text
        return cls(stack, api, answer.json())

    async def set_version(self, version: str) -> None:
        answer = await self.api.put(f"/apps/{self.slug}", json={"env": {"VERSION": version}})
        assert answer.is_success, answer.text

    async def settled(self) -> None:
        """Wait until one container is left, then for a little rest."""
        left = self.stack.leftovers()

        async def alone() -> bool:
            return len(await asyncio.to_thread(left.containers, self.id)) == 1

        await eventually(alone, 60, what="the old version to be gone")
        await asyncio.sleep(QUIET)
