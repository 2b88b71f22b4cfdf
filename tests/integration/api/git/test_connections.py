"""Connecting an account: what OAuth takes, what it refuses, and what is left of it afterwards."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import update

from services.api.core import Core
from services.api.git import repos
from services.api.git.models import GitConnectionRow, GitStateRow
from tests.servers.api import EMAIL, PASSWORD, ApiServer
from tests.servers.github import GitHubServer, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def connect(api: ApiServer, github: GitHubServer) -> dict[str, Any]:
    url = (await api.client.get("/git/authorize/github")).raise_for_status().json()["authorize_url"]
    async with httpx.AsyncClient() as browser:
        answer = await github.agree(url, browser)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_one_that_is_made_anew_while_it_is_revoked(api: ApiServer, github: GitHubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token stays that Dockup has forgotten."""
    made, revoke, before = await connect(api, github), repos.revoke, len(github.tokens)
    revoked: list[str] = []

    async def meanwhile(core: Core, row: GitConnectionRow) -> None:
        await revoke(core, row)
        if not revoked:
            assert (await connect(api, github))["id"] == made["id"]
        revoked.append(row.token)

    monkeypatch.setattr(repos, "revoke", meanwhile)
    assert (await api.client.delete(f"/git/connections/{made['id']}")).status_code == 204
    assert len(set(revoked)) == 2
    assert len(github.tokens) == before - 1
    assert (await api.client.get("/git/connections")).json()["items"] == []


async def test_without_a_connection_the_list_says_where_to_go(api: ApiServer, github: GitHubServer) -> None:
    answer = await api.client.get("/git/repos")
    assert (answer.status_code, answer.json()["code"]) == (409, "git_not_connected")
    assert answer.json()["authorize_url"].startswith(f"{github.address}/login/oauth/authorize?")


async def test_connect_list_and_disconnect(api: ApiServer, github: GitHubServer) -> None:
    for number in range(130):
        if f"ada/repo-{number:03}" not in github.repos:
            github.repos[f"ada/repo-{number:03}"] = {"full_name": f"ada/repo-{number:03}", "private": False, "html_url": "x"}
    before = len(github.tokens)
    made = await connect(api, github)
    assert (made["account"], made["provider"], made["scopes"], made["problem"]) == ("ada", "github", ["repo", "read:user"], None)
    assert (await api.client.get("/git/connections")).json()["items"] == [made]
    names: list[str] = []
    query: dict[str, Any] = {"limit": 45}
    while True:
        page = (await api.client.get("/git/repos", params=query)).raise_for_status().json()
        names += [repo["full_name"] for repo in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert names == sorted(github.repos)
    found = (await api.client.get("/git/repos", params={"search": "O-10", "limit": 3})).json()
    assert [repo["full_name"] for repo in found["items"]] == ["ada/repo-100", "ada/repo-101", "ada/repo-102"]
    assert found["next_cursor"] == "2.3"
    again = await connect(api, github)
    assert again["id"] == made["id"], "one account of a user"
    assert (await api.client.delete(f"/git/connections/{made['id']}")).status_code == 204
    assert len(github.tokens) == before + 1, "the token in use was revoked; the one before is GitHub's to forget"
    assert (await api.client.get("/git/repos")).json()["code"] == "git_not_connected"
    assert (await api.client.delete(f"/git/connections/{made['id']}")).status_code == 404


async def test_what_the_callback_refuses(api: ApiServer, github: GitHubServer) -> None:
    async with httpx.AsyncClient() as browser:
        callback = f"{api.url}/api/v1/git/callback/github"
        assert (await browser.get(callback)).json()["code"] == "validation_failed"
        unknown = await browser.get(callback, params={"code": "x", "state": "y"})
        assert (unknown.status_code, unknown.json()["code"]) == (400, "oauth_failed")
        person = await browser.get(callback, params={"code": "x", "state": "y"}, headers={"Accept": "text/html,*/*"})
        assert (person.status_code, person.headers["location"]) == (303, "/?git=oauth_failed")
        url = (await api.client.get("/git/authorize/github")).json()["authorize_url"]
        sent = github.deliver_to((await browser.get(url)).headers["location"])
        state = parse_qs(urlsplit(sent).query)["state"][0]
        denied = await browser.get(callback, params={"state": state, "error": "access_denied"})
        assert "access_denied" in denied.json()["detail"]
        used = await browser.get(sent)
        assert used.json()["code"] == "oauth_failed", "a state is good once"
        url = (await api.client.get("/git/authorize/github")).json()["authorize_url"]
        sent = github.deliver_to((await browser.get(url)).headers["location"])
        async with api.core.db.begin() as tx:
            await tx.connection.execute(update(GitStateRow).values(created_at=time.time() - 601))
        assert (await browser.get(sent)).json()["code"] == "oauth_failed", "it is over after ten minutes"


async def test_a_login_is_bound_to_its_browser(api: ApiServer, github: GitHubServer) -> None:
    token = (await api.as_token(None).post("/auth/login", json={"email": EMAIL, "password": PASSWORD})).json()["token"]
    async with api.as_token(token) as login, httpx.AsyncClient() as stranger:
        begun = await login.get("/git/authorize/github")
        cookie = begun.headers["set-cookie"]
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/api/v1/git/callback"} <= set(cookie.split("; ")), cookie
        refused = await github.agree(begun.json()["authorize_url"], stranger)
        assert refused.json()["code"] == "oauth_failed"
        begun = await login.get("/git/authorize/github")
        value = begun.headers["set-cookie"].partition(";")[0]
        sent = (await stranger.get(begun.json()["authorize_url"])).headers["location"]
        page = await stranger.get(github.deliver_to(sent), headers={"Cookie": value, "Accept": "text/html,*/*"})
        assert (page.status_code, page.headers["location"]) == (303, "/?git=connected")
        assert (await stranger.get(f"{api.url}/?git=connected")).headers["content-type"].startswith("text/html")


async def test_github_away(api: ApiServer, github: GitHubServer) -> None:
    await connect(api, github)
    github.broken = [503]
    answer = await api.client.get("/git/repos")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "github_unavailable", True)
    github.broken = [401]
    assert (await api.client.get("/git/repos")).json()["code"] == "git_not_connected"
    assert (await api.client.get("/git/repos", params={"cursor": "x"})).json()["code"] == "invalid_cursor"


async def have_time_pass(api: ApiServer) -> None:
    """Every token is to be made anew now; whoever waits for that time looks again."""
    async with api.core.db.begin() as tx:
        await tx.connection.execute(update(GitConnectionRow).values(refresh_at=time.time() - 1))
    api.core.wakes.wake(())


async def test_tokens_that_end_are_made_anew_in_time(api: ApiServer, github: GitHubServer) -> None:
    github.expires_in = 28_800
    made = await connect(api, github)
    github.expires_in = 3600
    before = set(github.refresh_tokens)
    await have_time_pass(api)
    await until(lambda: bool(github.refresh_tokens - before), "the token to be made anew")
    assert (await api.client.get("/git/repos")).status_code == 200
    github.refresh_tokens.clear()
    await have_time_pass(api)

    async def is_broken() -> bool:
        return (await api.client.get("/git/connections")).json()["items"][0]["problem"] is not None

    await until(is_broken, "the connection to say that it is broken")
    github.expires_in = None
    assert (await connect(api, github))["problem"] is None
    assert made["id"]


async def test_tokens_stand_nowhere_in_the_open(api: ApiServer, github: GitHubServer) -> None:
    await connect(api, github)
    async with api.core.db.read() as session:
        row = (await session.execute(GitConnectionRow.__table__.select())).one()
    assert not any(token in str(row) for token in github.tokens)
    rotated = (await api.client.get("/system/secrets")).json()
    assert rotated["unreadable"] == 0
