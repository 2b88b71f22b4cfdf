"""The real Codex CLI in a session of a whole Dockup: it edits a file, commits and pushes, and the push becomes a preview."""

import json
from collections.abc import Iterator

import pytest

from libs.common import ids
from tests import coders
from tests.e2e.conftest import Desk
from tests.e2e.test_git import becomes, page, site
from tests.servers.github import GitHubServer
from tests.servers.model import KEY, ModelServer
from tests.stack import Stack, eventually
from tests.stack.terminal import terminal

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not coders.can_have_cli(), reason="the package has another program for this machine"),
]


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubServer]:
    server = GitHubServer(tmp_path_factory.mktemp("github"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    server = ModelServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stack(github: GitHubServer, model: ModelServer) -> Iterator[Stack]:
    stack = Stack(egress_allow="127.0.0.1/32", github_url=github.address, codex_image=coders.cli(), codex_api=model.url)
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


async def test_it_edits_commits_and_pushes_a_preview(desk: Desk, stack: Stack, github: GitHubServer, model: ModelServer) -> None:
    repo = f"ada/{ids.new('r')[-10:]}"
    github.add_repo(repo, site("at first"))
    body = {"name": "demo", "slug": desk.slug("codex"), "git_repo_url": repo, "git_provider": "github"}
    app = await desk.call("POST", f"/projects/{await desk.project()}/apps", json=body)
    await desk.call("PUT", "/auth/codex-key", json={"key": KEY})
    model.commands = [
        "echo from codex >site/index.html && git commit -qam 'A new page' && git log -1 --format=%an:%s",
        "git push -q origin HEAD && echo pushed; env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'",
    ]
    query = {"tty": "false", "model": "gpt-of-a-test", "preview": "true", "prompt": "Change the page."}
    async with terminal(stack, app["slug"], path="codex", **query) as session:
        assert await session.end(60) == {"type": "exit", "code": 0}, session.errors
    assert "All of it is done." in session.output.decode(), session.errors
    outputs = [item["output"] for item in model.asked[-1][2]["input"] if item.get("type") == "function_call_output"]
    assert "Codex:A new page" in outputs[0]
    assert "pushed" in outputs[1]
    assert KEY not in json.dumps([body for _, _, body in model.asked]) + session.errors + session.output.decode()
    (pushed,) = session.frames
    assert pushed["app"] == f"{app['slug']}-{pushed['branch'].rpartition('/')[2]}"
    preview = await desk.get(pushed["app"])
    await becomes(desk, preview["id"], pushed["commit"], "live", 40)
    assert await page(desk, pushed["app"]) == "from codex\n"


async def test_a_turn_in_its_terminal(desk: Desk, stack: Stack, model: ModelServer) -> None:
    """An app without a repository: an empty folder, typed at by a person. The daemon that the terminal would leave behind is not begun."""
    app = await desk.app()
    await desk.call("PUT", "/auth/codex-key", json={"key": KEY})
    model.asked.clear()
    model.commands = ["ls -A /work | wc -l; cat /proc/*/cmdline | tr '\\0' ' '"]
    async with terminal(stack, app["slug"], path="codex", model="gpt-of-a-test") as session:
        await session.control(type="resize", cols=100, rows=30)
        await session.until("Ask Codex", 30)
        await session.type("Look around.")
        await session.until("around.")

        async def ran() -> str | None:
            if not model.asked:
                await session.type("\r")
            given = [item for _, _, body in model.asked for item in body.get("input", []) if item.get("type") == "function_call_output"]
            return given[0]["output"] if given else None

        output = await eventually(ran, 30, what="the command to be run")
        assert output
        assert "Output:\n0\n" in output
        assert "app-server" not in output
