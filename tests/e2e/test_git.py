"""From `git push` to live, as users of a GitHub have it: its webhooks, its clones, its statuses and comments, on a whole Dockup."""

import asyncio
import base64
import json
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from httpx import codes
from websockets.asyncio.client import connect

from libs.common import ids
from tests import bases, images
from tests.e2e.conftest import Desk, Json
from tests.servers.github import CLIENT_ID, CLIENT_SECRET, GitHubServer
from tests.stack import Stack, eventually

SECRET = "correct horse battery/staple+42"
MASK = "••••••••"


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubServer]:
    server = GitHubServer(tmp_path_factory.mktemp("github"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stack(github: GitHubServer) -> Iterator[Stack]:
    """A Dockup whose GitHub is the tests' own."""
    stack = Stack(
        egress_allow="127.0.0.1/32",
        github_url=github.address,
        github_client_id=CLIENT_ID,
        github_client_secret=CLIENT_SECRET,
        github_webhook_secret="the secret of all webhooks",
        base_images=bases.SETTING,
        keep_releases="2",
    )
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


@pytest.fixture
async def connected(desk: Desk, github: GitHubServer) -> Json:
    """What the callback of OAuth said after a person agreed."""
    url = (await desk.call("GET", "/git/authorize/github"))["authorize_url"]
    async with desk.stack.browser() as browser:
        answer = await github.agree(url, browser)
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


@pytest.fixture
async def repo(github: GitHubServer) -> AsyncIterator[str]:
    """A private repository with a site in it."""
    name = f"ada/{ids.new('r')[-10:]}"
    github.add_repo(name, site("at first"), private=True)
    yield name
    github.repos.pop(name)


def site(page: str, *steps: str) -> dict[str, str | bytes]:
    """A repository's files: a page, and how it is served."""
    lines = [
        f"FROM {images.shell()}",
        *steps,
        "COPY site /site",
        'ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/site"]',
        "CMD []",
        "STOPSIGNAL SIGKILL",
        "EXPOSE 8080",
    ]
    return {"Dockerfile": "\n".join(lines) + "\n", "site/index.html": page}


async def app_of(desk: Desk, repo: str, **fields: Any) -> Json:
    """An app that is built from the repository, once its webhook is there."""
    body = {
        "name": "demo",
        "slug": desk.slug("git"),
        "git_repo_url": repo,
        "git_provider": "github",
        **fields,
    }
    app = await desk.call("POST", f"/projects/{await desk.project()}/apps", json=body)

    async def has_webhook() -> bool:
        return bool((await desk.call("GET", f"/apps/{app['id']}/webhook"))["active"])

    await eventually(has_webhook, what="the webhook to be made")
    return app


async def deployments(desk: Desk, app: str) -> list[Json]:
    """The newest first."""
    found: list[Json] = (await desk.call("GET", f"/apps/{app}/deployments"))["items"]
    return found


async def verdicts(desk: Desk, app: str, count: int) -> list[str]:
    """Of so many deliveries, the newest first, once they are judged."""

    async def ask() -> list[str] | None:
        found = [each["verdict"] for each in (await desk.call("GET", f"/apps/{app}/webhook/deliveries"))["items"]]
        return found if len(found) == count and "received" not in found else None

    found = await eventually(ask, what=f"{count} verdicts")
    assert found
    return found


async def becomes(desk: Desk, app: str, commit: str, status: str, seconds: float = 25) -> Json:
    """Wait for the deployment of a commit to be in that state; one that ended otherwise fails the test at once."""

    async def ask() -> Json | None:
        assert await deployments(desk, app), (await desk.call("GET", f"/apps/{app}/webhook/deliveries"))["items"]
        found = next((each for each in await deployments(desk, app) if each["commit"] == commit), None)
        if found is None or found["status"] == status:
            return found
        if found["finished_at"]:
            pytest.fail(f"{found['status']} instead of {status}: {found['failure']}")
        raise AssertionError(f"{found['status']} instead of {status}: {await log_of(desk, found['id'])}")

    found = await eventually(ask, seconds, what=f"{commit} to be {status}")
    assert found
    return found


async def said(github: GitHubServer, commit: str, state: str) -> Json:
    """Wait until GitHub was told that state of a commit last."""

    async def ask() -> Json | None:
        told = [each for each in github.statuses if each["sha"] == commit]
        return told[-1] if told and told[-1]["state"] == state else None

    found = await eventually(ask, what=f"{commit} to be told {state}, of {github.states(commit)}")
    assert found
    return found


async def page(desk: Desk, slug: str) -> str:
    answer = await desk.look(slug)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_from_connecting_to_live(desk: Desk, github: GitHubServer, connected: Json, repo: str) -> None:
    """Connect, list, make an app, push: live with the page changed; a push during a build takes its place."""
    assert (connected["account"], connected["provider"], connected["problem"]) == ("ada", "github", None)
    listed = (await desk.call("GET", "/git/repos", params={"search": repo.partition("/")[2]}))["items"]
    assert [(each["full_name"], each["private"]) for each in listed] == [(repo, True)]
    app = await app_of(desk, listed[0]["full_name"])
    assert app["auto_deploy"]

    for words in ("one", "two"):
        pushed = await github.push(repo, site(words))
        assert [answer.status_code for answer in pushed["answers"]] == [202]
        deployment = await becomes(desk, app["id"], pushed["commit"], "live")
        assert (deployment["trigger"], deployment["source"], deployment["actor"]) == ("webhook", "git", "github:ada")
        assert await page(desk, app["slug"]) == words
        told = await said(github, pushed["commit"], "success")
        assert (told["context"], told["target_url"]) == (f"dockup/{app['slug']}", desk.stack.app_url(app["slug"]))

    slow = await github.push(repo, site("slow", "RUN echo beg''un; sleep 4721"))
    building = await becomes(desk, app["id"], slow["commit"], "building")
    await logged(desk, building["id"], "begun")
    newer = await github.push(repo, site("newer"))
    await becomes(desk, app["id"], slow["commit"], "superseded")
    await becomes(desk, app["id"], newer["commit"], "live")
    assert await page(desk, app["slug"]) == "newer"
    await said(github, slow["commit"], "error")
    await said(github, newer["commit"], "success")
    shown = json.dumps([await deployments(desk, app["id"]), await log_of(desk, building["id"])])
    assert not any(token in shown for token in github.tokens)


@pytest.mark.usefixtures("connected")
async def test_one_push_is_one_deployment(desk: Desk, github: GitHubServer, repo: str) -> None:
    """Delivered five times, forged, unsigned, to another branch and outside `watch_paths`: one deployment, and why for each."""
    app = await app_of(desk, repo, watch_paths=["site", "Dockerfile"])
    pushed = await github.push(repo, site("one"))
    again = [await github.deliver(repo, "push", pushed["payload"], delivery=pushed["delivery"]) for _ in range(4)]
    assert {answer.status_code for each in again for answer in each["answers"]} <= {200, 202}
    await verdicts(desk, app["id"], 5)
    hook = github.hooks[repo][0]["config"]
    kept, hook["secret"] = hook["secret"], "not it"
    forged = await github.deliver(repo, "push", pushed["payload"])
    hook["secret"] = kept
    async with desk.stack.browser() as stranger:
        unsigned = await stranger.post(hook["url"], json=pushed["payload"], headers={"X-GitHub-Event": "push", "X-GitHub-Delivery": "u"})
    assert (forged["answers"][0].status_code, unsigned.status_code) == (401, 401)
    await verdicts(desk, app["id"], 7)
    await github.push(repo, site("elsewhere"), branch="dev")
    await verdicts(desk, app["id"], 8)
    await github.push(repo, {"notes.md": "nothing to see"})
    found = (await desk.call("GET", f"/apps/{app['id']}/webhook/deliveries"))["items"]
    found_verdicts = await verdicts(desk, app["id"], 9)
    assert found_verdicts == [
        "ignored: outside watch_paths",
        "ignored: branch dev is not main",
        "rejected: signature",
        "rejected: signature",
        *[f"duplicate of {found[-1]['id']}"] * 4,
        "deployed",
    ]
    await becomes(desk, app["id"], pushed["commit"], "live")
    assert await page(desk, app["slug"]) == "one"
    assert len(await deployments(desk, app["id"])) == 1


def containers(app_id: str) -> list[Json]:
    found: list[Json] = images.client().containers(all=True, filters={"name": f"dk-{app_id}-"})
    return found


async def answers(desk: Desk, slug: str) -> bool:
    """Whether the app's address leads anywhere; without an app it has no certificate either."""
    try:
        return (await desk.look(slug)).status_code != codes.NOT_FOUND
    except httpx.ConnectError as error:
        if "Hostname mismatch" not in str(error):
            raise
        return False


@pytest.mark.usefixtures("connected")
async def test_a_pull_request_has_an_app_of_its_own(desk: Desk, github: GitHubServer, repo: str) -> None:
    app = await app_of(desk, repo, preview={"enabled": True})
    github.commit(repo, site("of the pull request"), "work")
    opened = await github.pull_request(repo, 7, "opened", "work")
    assert await verdicts(desk, app["id"], 1) == ["deployed"]
    preview = await desk.get(f"{app['slug']}-pr-7")
    commit = opened["payload"]["pull_request"]["head"]["sha"]
    await becomes(desk, preview["id"], commit, "live")
    assert await page(desk, preview["slug"]) == "of the pull request"
    assert containers(preview["id"])
    assert not await deployments(desk, app["id"])
    await said(github, commit, "success")

    async def comment(words: str) -> bool:
        mine = [each["body"] for each in github.comments.values() if (each["repo"], each["issue"]) == (repo, 7)]
        return len(mine) == 1 and preview["url"] in mine[0] and words in mine[0]

    assert preview["url"] == desk.stack.app_url(preview["slug"])
    await eventually(lambda: comment("is live"), what="the comment with the address")
    await github.pull_request(repo, 7, "closed", "work")
    assert (await verdicts(desk, app["id"], 2))[0] == f"removed: the preview {preview['slug']}"

    async def is_gone() -> bool:
        there = await desk.api.get(f"/apps/{preview['id']}")
        return there.status_code == 404 and not containers(preview["id"]) and not await answers(desk, preview["slug"])

    await eventually(is_gone, what="the preview to be gone")

    async def says_so() -> bool:
        return any("was removed" in each["body"] for each in github.comments.values() if each["repo"] == repo)

    await eventually(says_so, what="the comment to say that it is gone")


@pytest.mark.usefixtures("connected")
@pytest.mark.long
async def test_previews_have_their_own_env_no_forks_and_an_end(desk: Desk, github: GitHubServer, repo: str) -> None:
    app = await app_of(desk, repo, env={"VERSION": "its own", "OTHER": "x"}, preview={"enabled": True, "env": {"VERSION": "of previews"}})
    github.commit(repo, {"Dockerfile": f"FROM {images.web()}\nLABEL of={repo}\n"}, "work")
    await github.pull_request(repo, 3, "opened", "work", head_repo="eve/demo")
    assert await verdicts(desk, app["id"], 1) == ["ignored: pull request 3 comes from a fork"]
    opened = await github.pull_request(repo, 4, "opened", "work")
    assert await verdicts(desk, app["id"], 2) == ["deployed", "ignored: pull request 3 comes from a fork"]
    preview = await desk.get(f"{app['slug']}-pr-4")
    await becomes(desk, preview["id"], opened["payload"]["pull_request"]["head"]["sha"], "live")
    assert (await desk.look(preview["slug"], "/version")).text.strip() == "of previews"
    assert preview["env_keys"] == ["OTHER", "VERSION"]

    # Nobody pushed for so many hours.
    with sqlite3.connect(next(desk.stack.home.root.rglob("dockup.db"))) as database:
        database.execute("UPDATE previews SET expires_at = ? WHERE app_id = ?", (time.time() - 1, preview["id"]))

    async def is_gone() -> bool:
        return (await desk.api.get(f"/apps/{preview['id']}")).status_code == 404 and not containers(preview["id"])

    await eventually(is_gone, 25, what="the preview to be gone")

    async def says_so() -> bool:
        return any("time to live" in each["body"] for each in github.comments.values() if each["repo"] == repo)

    await eventually(says_so, what="the comment to say why")


async def log_of(desk: Desk, deployment_id: str) -> list[Json]:
    found: list[Json] = (await desk.call("GET", f"/deployments/{deployment_id}/logs"))["items"]
    return found


async def logged(desk: Desk, deployment_id: str, message: str) -> None:
    async def ask() -> bool:
        return message in [line["message"] for line in await log_of(desk, deployment_id)]

    await eventually(ask, what=f"{message} in the log")


async def live_log(desk: Desk, deployment_id: str) -> str:
    """All that the server-sent events of a deployment's log say until they end."""
    async with desk.api.stream("GET", f"/deployments/{deployment_id}/logs", headers={"Accept": "text/event-stream"}) as stream:
        assert stream.status_code == 200
        return "\n".join([line async for line in stream.aiter_lines()])


async def socket_log(desk: Desk, deployment_id: str) -> str:
    """The same over a WebSocket."""
    address = urlsplit(desk.stack.url)
    url = f"wss://{address.netloc}/api/v1/deployments/{deployment_id}/logs/stream"
    login = {"Authorization": desk.api.headers["authorization"]}
    trust = {"ssl": desk.stack.trust(), "server_hostname": address.hostname}
    async with connect(url, host="127.0.0.1", port=address.port, additional_headers=login, **trust) as socket:
        return "\n".join([str(message) async for message in socket])


@pytest.mark.usefixtures("connected")
async def test_a_secret_that_a_step_prints_is_nowhere(desk: Desk, github: GitHubServer, repo: str) -> None:
    """Whole, in two lines and in base64: masked live, over both streams, kept, in the failure and in all that the API says of it."""
    mount = "RUN --mount=type=secret,id=TOKEN"
    coded = base64.b64encode(SECRET.encode()).decode().rstrip("=")
    steps = (
        f"RUN echo {secrets.token_hex(8)}",
        f"{mount} sleep 1; busybox base64 /run/secrets/TOKEN",
        f"{mount} busybox head -c 20 /run/secrets/TOKEN; echo; busybox tail -c +21 /run/secrets/TOKEN",
        f"{mount} echo failing with $(cat /run/secrets/TOKEN); exit 7",
    )
    app = await app_of(desk, repo, env={"TOKEN": SECRET}, build={"secrets": ["TOKEN"]})
    pushed = await github.push(repo, site("x", *steps))
    building = await becomes(desk, app["id"], pushed["commit"], "building")
    live, socket, failed = await asyncio.gather(
        live_log(desk, building["id"]), socket_log(desk, building["id"]), becomes(desk, app["id"], pushed["commit"], "failed")
    )
    kept = await log_of(desk, building["id"])
    assert (failed["failure"]["code"], failed["failure"]["data"]["exit_code"]) == ("build_failed", 7)
    told = await said(github, pushed["commit"], "failure")
    events = await desk.events(app["id"])
    for name, text in {"live": live, "socket": socket, "kept": str(kept), "api": str([failed, events, told])}.items():
        assert SECRET not in text, name
        assert coded not in text, name
        assert SECRET[:20] not in text, name
        assert SECRET[20:] not in text, name
    for text in (live, socket, str(kept), str(failed["failure"])):
        assert f"failing with {MASK}" in text


SERVER_PY = """\
import http.server, os

class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"by python")

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Hello).serve_forever()
"""
SERVER_JS = 'require("http").createServer((_, answer) => answer.end("by node")).listen(process.env.PORT);'
SOURCES: dict[str, dict[str, str | bytes]] = {
    "static": {"index.html": "by static"},
    "python": {"requirements.txt": "# nothing but Python\n", "main.py": SERVER_PY},
    "node": {"package.json": json.dumps({"name": "hello", "scripts": {"start": "node server.js"}}), "server.js": SERVER_JS},
}


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("kind", ["static", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("python", "node"))])
async def test_a_repository_without_a_dockerfile(desk: Desk, github: GitHubServer, kind: str) -> None:
    """One is written, shown, built on base images that were made here, and live."""
    bases.make(kind)
    repo = f"ada/{ids.new('r')[-10:]}"
    github.add_repo(repo, SOURCES[kind])
    app = await app_of(desk, repo)
    pushed = await github.push(repo, {"notes.md": "a push"})
    deployment = await becomes(desk, app["id"], pushed["commit"], "live", 60)
    assert await page(desk, app["slug"]) == f"by {kind}"
    assert (await desk.get(app["slug"]))["internal_port"] == images.PORT
    written = (await desk.api.get(f"/deployments/{deployment['id']}/dockerfile")).text
    assert f"FROM {bases.NAMES[kind]}" in written
    said = [line["message"] for line in await log_of(desk, deployment["id"])]
    assert any(line.startswith(f"No Dockerfile: this is {kind}, because ") for line in said)
    assert set(filter(None, written.splitlines())) <= set(said)


@pytest.mark.usefixtures("connected")
async def test_back_to_a_build_that_is_kept_and_not_to_one_that_is_not(desk: Desk, github: GitHubServer, repo: str) -> None:
    """Two releases keep their images here; the repository is gone, so that nothing can be built again."""
    app = await app_of(desk, repo)
    made = []
    for words in ("one", "two", "three"):
        pushed = await github.push(repo, site(words))
        made.append(await becomes(desk, app["id"], pushed["commit"], "live"))

    async def kept() -> bool:
        found = [tag for image in images.client().images(name=f"dockup/{app['id']}") for tag in image["RepoTags"]]
        return sorted(found) == [each["image"] for each in made[1:]]

    await eventually(kept, what="the oldest image to be removed")
    assert not images.client().images(filters={"label": f"dockup.build={made[0]['id']}"}), "its layers stayed"
    github.path(repo).rename(github.path(f"{repo}-gone"))
    back = await desk.call("POST", f"/apps/{app['id']}/rollback", params={"wait": 30})
    assert (back["status"], back["commit"]) == ("live", made[1]["commit"])
    assert await page(desk, app["slug"]) == "two"
    refused = await desk.api.post(f"/apps/{app['id']}/rollback", json={"deployment_id": made[0]["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "image_not_kept")
