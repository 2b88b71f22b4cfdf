from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests import images
from tests.faults.oracle import Oracle
from tests.stack import Stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack()
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


@pytest.fixture
async def oracle(stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Oracle]:
    """An app that is live, in a stack that is well."""
    stack.wait_until_ok(90)
    slug = Path(request.node.name.replace("[", "-").rstrip("]").replace("_", "-").lower()).name[-40:].strip("-")
    async with stack.direct_client() as client:
        body = {"create": True, "project": "faults", "name": slug, "image": images.web(), "internal_port": 8080, "drain_seconds": 2}
        answer = await client.post(f"/deploy/{slug}", params={"wait": 60}, json=body)
        assert answer.status_code == 200, answer.text
        app_id = answer.json()["app_id"]
        yield Oracle(stack, client, app_id, slug)
        await client.delete(f"/apps/{slug}", params={"wait": 60})
