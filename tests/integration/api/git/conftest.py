"""An API that knows a GitHub: the tests' own; and the image of coding sessions by name."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.servers.api import ApiServer
from tests.servers.github import CLIENT_ID, CLIENT_SECRET, GitHubServer
from tests.servers.nats import NatsServer

GLOBAL_SECRET = "the secret of all webhooks"


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubServer]:
    server = GitHubServer(tmp_path_factory.mktemp("github"))
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(home: Path, bus_server: NatsServer, database_url: str, github: GitHubServer) -> AsyncIterator[ApiServer]:
    """A running API; what GitHub has to say to `https://localhost` reaches it."""
    server = ApiServer(
        home,
        bus_server.url,
        database_url,
        github_url=github.address,
        github_client_id=CLIENT_ID,
        github_client_secret=CLIENT_SECRET,
        github_webhook_secret=GLOBAL_SECRET,
        egress_allow=("127.0.0.1",),
        codex_image="coder:1",
    )
    await server.start()
    github.deliver_to = lambda url: url.replace("https://localhost", server.url)
    yield server
    await server.stop()
