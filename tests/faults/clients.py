"""Careful clients: a key with each request, the same request again until it is answered, never a guess at what became of it."""

import asyncio
import random
import time
import uuid
from typing import Any

import httpx

from tests import images
from tests.faults.ledger import Asked, Ledger

PROJECT = "faults"
_WEIGHTS = {
    "create": 12,
    "deploy": 22,
    "stop": 8,
    "start": 10,
    "restart": 10,
    "pause": 7,
    "unpause": 8,
    "scale": 12,
    "rollback": 8,
    "cancel": 9,
    "delete": 3,
}
_PATIENCE = 150.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_KNOWN_REFUSALS = {
    "app_deleting",
    "app_not_running",
    "deployment_ended",
    "image_not_kept",
    "memory_in_use",
    "not_found",
    "nothing_to_deploy",
    "nothing_to_roll_back_to",
}
"""Of a verb that did not fit the app's state. Every other refusal is a defect."""


class CarefulClient:
    """One of several that drive the same apps. What it does is its seed's; when, the machine's."""

    def __init__(self, http: httpx.AsyncClient, ledger: Ledger, slugs: list[str], seed: str, pause: float = 0.5) -> None:
        self._http = http
        self._ledger = ledger
        self._slugs = slugs
        self._random = random.Random(seed)  # noqa: S311 - a seeded load
        self._pause = pause

    async def work(self, until: float) -> None:
        """Go on until `until`, by the monotonic clock."""
        verbs, weights = zip(*_WEIGHTS.items(), strict=True)
        while time.monotonic() < until:
            verb, slug = self._random.choices(verbs, weights)[0], self._random.choice(self._slugs)
            await self._act(verb if slug in self._ledger.there else "create", slug)
            await asyncio.sleep(self._random.uniform(0, 2 * self._pause))

    async def _act(self, verb: str, slug: str) -> None:
        one = Asked(id=uuid.uuid4().hex, verb=verb, slug=slug, sent=time.time())
        given = self._request(one)
        if given is None:
            return
        self._ledger.asked.append(one)
        method, path, more = given
        headers = {"X-Request-Id": one.id, **({"Idempotency-Key": one.id} if method == "POST" else {})}
        answer = await self._until_answered(one, method, path, headers=headers, **more)
        one.answered = time.time()
        if answer is None:
            return
        self._ledger.settle(one, answer.status_code, _body(answer))
        if one.code and one.code not in _KNOWN_REFUSALS:
            self._ledger.broken.append(f"{verb} {slug}: {answer.status_code} {answer.text}")

    def _request(self, one: Asked) -> tuple[str, str, dict[str, Any]] | None:
        """Method, path and the rest of a request; None when there is nothing to ask."""
        app = f"/apps/{one.slug}"
        wait = {"wait": self._random.choice((1, 5, 20))} if self._random.random() < 0.2 else {}
        match one.verb:
            case "create":
                one.verb = "deploy"
                return "POST", f"/deploy/{one.slug}", {"json": self._settings(), "params": wait}
            case "scale":
                one.value = self._random.choice((1, 1, 2, 3))
                return "PUT", app, {"json": {"replicas": one.value}}
            case "cancel":
                found = self._ledger.newest_deployment(one.slug)
                one.deployment_id = found
                return ("POST", f"/deployments/{found}/cancel", {}) if found else None
            case "delete":
                return "DELETE", app, {}
            case verb:
                return "POST", f"{app}/{verb}", {"params": wait}

    def _settings(self) -> dict[str, Any]:
        image = self._random.choices((images.web(), images.slow_start(), images.exits()), (80, 12, 8))[0]
        settings = {"image": image, "internal_port": images.PORT, "drain_seconds": 1, "env": {"VERSION": str(self._random.random())}}
        return {"create": True, "project": PROJECT, **settings}

    async def _until_answered(self, one: Asked, method: str, path: str, **given: Any) -> httpx.Response | None:
        """The first answer that is one; None when there was none in time."""
        until, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
        while time.monotonic() < until:
            one.tries += 1
            try:
                answer = await self._http.request(method, path, **given)
            except httpx.TransportError:
                answer = None
            if answer is not None:
                self._ledger.statuses[answer.status_code] += 1
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                if not _body(answer).get("retryable"):
                    self._ledger.broken.append(f"{method} {path}: {answer.status_code} {answer.text}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return None


def _body(answer: httpx.Response) -> dict[str, Any]:
    """What is not JSON says nothing."""
    try:
        found: dict[str, Any] = answer.json()
    except ValueError:
        return {}
    return found
