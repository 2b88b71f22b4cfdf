"""Accounts for what was accepted: a deployment ends once, as one set of containers, and no event is there twice."""

import asyncio
import uuid
from collections import Counter
from typing import Any

import httpx

from tests.stack import Stack, eventually

ENDED = {"live", "failed", "cancelled", "superseded"}
_ONCE = ("deployment.queued", "deployment.building", "deployment.deploying", "deployment.live")
_RETRY_PAUSE = 0.05


class Oracle:
    """Watches one app of a stack. It talks to the API's own port, so that a dead proxy does not blind it."""

    def __init__(self, stack: Stack, client: httpx.AsyncClient, app_id: str, slug: str) -> None:
        self.stack = stack
        self.client = client
        self.app_id = app_id
        self.slug = slug

    async def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Ask until there is an answer: what was broken comes back. Bounded by the test's own time-out."""
        async with asyncio.timeout(90):
            while True:
                try:
                    answer = await self.client.request(method, path, **kwargs)
                except httpx.TransportError:
                    await asyncio.sleep(_RETRY_PAUSE)
                    continue
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
                await asyncio.sleep(_RETRY_PAUSE)

    async def new_version(self, version: str) -> None:
        answer = await self.call("PUT", f"/apps/{self.slug}/env", json={"VERSION": version})
        assert answer.status_code == 200, answer.text

    async def deploy(self) -> str:
        """Send a deploy as a careful client does: with a key, again until it is accepted. Returns the deployment's id."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        answer = await self.call("POST", f"/apps/{self.slug}/deploy", headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def ended(self, deployment_id: str, seconds: float = 90) -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            deployment: dict[str, Any] = (await self.call("GET", f"/deployments/{deployment_id}")).json()
            assert deployment["status"] in ENDED, deployment
            return deployment

        return await eventually(look, seconds, what="the deployment's end")

    async def events(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        after = 0
        while True:
            page = (await self.call("GET", f"/apps/{self.slug}/events", params={"after": after, "limit": 200})).json()
            items += page["items"]
            if not page["items"]:
                return items
            after = page["next_after"]

    async def audit(self, deployment: dict[str, Any], version: str) -> None:
        """Everything that must hold once things have calmed down."""
        assert deployment["status"] == "live", deployment
        await eventually(lambda: self._one_set(deployment["number"]), 60, what="one set of containers")
        await eventually(lambda: self._serves(version), 60, what="the new version through the proxy")
        await eventually(lambda: self._said_once(deployment["id"]), 60, what="each event, once")

    async def _one_set(self, release: int) -> bool:
        found = await asyncio.to_thread(self.stack.leftovers().containers, self.app_id)
        seen = [(one["Labels"]["dockup.release"], one["Labels"]["dockup.slot"], one["State"]) for one in found]
        assert seen == [(str(release), "0", "running")], seen
        return True

    async def _serves(self, version: str) -> bool:
        async with self.stack.app_client(self.slug) as browser:
            try:
                answer = await browser.get("/version")
            except httpx.TransportError as error:
                raise AssertionError(f"no answer through the proxy: {error!r}") from error
        assert (answer.status_code, answer.text.strip()) == (200, version), answer.text
        return True

    async def _said_once(self, deployment_id: str) -> bool:
        events = await self.events()
        seqs = [event["seq"] for event in events]
        assert seqs == sorted(set(seqs)), "seq rises and is never used twice"
        of_it = Counter(event["type"] for event in events if event["deployment_id"] == deployment_id)
        assert {name: of_it[name] for name in _ONCE} == dict.fromkeys(_ONCE, 1), of_it
        assert of_it["deployment.failed"] == 0, of_it
        facts = Counter(
            (event["type"], event["data"].get("container_id"), event["at"]) for event in events if event["type"].startswith("replica.")
        )
        assert max(facts.values(), default=1) == 1, [fact for fact, count in facts.items() if count > 1]
        return True
