"""What stands before an app, how it is built, and who did what, in a real Chromium: what a person does there, and what is so afterwards."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Locator, expect

from libs.common import ids
from tests import images
from tests.e2e.browser import EMAIL, Tab, chromium
from tests.e2e.conftest import Desk
from tests.stack import Stack, eventually


@pytest.fixture
async def tab(stack: Stack) -> AsyncIterator[Tab]:
    async with chromium(stack) as tab:
        yield tab


async def test_what_stands_before_an_app(tab: Tab, desk: Desk) -> None:
    slug = (await desk.live(images.web()))["slug"]
    part = await tab.at(f"#/apps/{slug}/access", "Access")
    await _maintenance(tab, part, desk, slug)
    await _redirects(tab, part, desk, slug)
    await _passwords(tab, part, desk, slug)


async def _maintenance(tab: Tab, part: Locator, desk: Desk, slug: str) -> None:
    card = part.get_by_role("region", name="Maintenance")
    again = card.get_by_label("Try again after")
    await again.fill("soon")
    await tab.click("Save", card)
    await expect(again).to_be_focused()
    await again.fill("120")
    await card.get_by_label("Answer every request with 503").check()
    await tab.click("Save", card)
    await expect(tab.page.locator("#said")).to_have_text("Maintenance is saved.")
    assert (await desk.get(slug))["maintenance"] == {"enabled": True, "retry_after_seconds": 120}
    assert (await _answer(desk, slug, 503)).headers["retry-after"] == "120"
    await card.get_by_label("Answer every request with 503").uncheck()
    await tab.click("Save", card)
    await _answer(desk, slug, 200)
    assert (await desk.get(slug))["maintenance"] == {"enabled": False, "retry_after_seconds": 120}

    https = part.get_by_role("region", name="HTTPS")
    await https.get_by_label("Send plain HTTP on to HTTPS").uncheck()
    await tab.click("Save", https)
    await expect(tab.page.locator("#said")).to_have_text("HTTPS is saved.")
    assert (await desk.get(slug))["https_redirect"] is False


async def _redirects(tab: Tab, part: Locator, desk: Desk, slug: str) -> None:
    card, host = part.get_by_role("region", name="Redirects"), desk.stack.host(slug)
    await tab.click("Add redirect", card)
    await tab.fill(To=host)
    await tab.click("Add redirect", tab.dialog)
    await expect(tab.dialog.get_by_label("To", exact=True)).to_have_accessible_description(re.compile("leads in a circle"))
    await tab.fill(To="elsewhere.example")
    await tab.click("Add redirect", tab.dialog)
    await expect(card.get_by_role("listitem", name=host)).to_contain_text("to elsewhere.example, 308")
    assert (await _answer(desk, slug, 308)).headers["location"] == "https://elsewhere.example/"

    await tab.click(f"Edit {host}", card)
    await tab.dialog.get_by_label("How").select_option("307")
    await tab.click("Save", tab.dialog)
    await expect(tab.dialog).to_be_hidden()
    assert (await desk.get(slug))["redirects"] == [{"from": host, "to": "elsewhere.example", "status": 307}]
    await tab.click(f"Remove {host}", card)
    await tab.click("Remove redirect", tab.dialog)
    await expect(card).to_contain_text("None. A redirect sends")
    await expect(card.get_by_role("button", name="Add redirect")).to_be_focused()
    await _answer(desk, slug, 200)


async def _passwords(tab: Tab, part: Locator, desk: Desk, slug: str) -> None:
    card = part.get_by_role("region", name="Password protection")
    await tab.click("Add user", card)
    await tab.fill(Name="ada", Password="short")
    await tab.click("Add user", tab.dialog)
    await expect(tab.dialog.get_by_label("Password")).to_be_focused()
    await tab.fill(Password="a long password")
    await tab.click("Add user", tab.dialog)
    await expect(card.get_by_role("listitem", name="ada")).to_be_visible()
    await _answer(desk, slug, 401)
    await _answer(desk, slug, 200, "a long password")

    # Somebody else adds one while this page hears nothing: a second try is on top of theirs.
    await tab.click("Edit ada", card)
    await tab.fill(Password="another password")
    deaf = f"**/api/v1/apps/{slug}"
    await tab.page.route(deaf, lambda route: route.abort())
    users = [{"username": "ada"}, {"username": "bob", "password": "a third password"}]
    await desk.call("PUT", f"/apps/{slug}", json={"basic_auth": users})
    await tab.click("Save", tab.dialog)
    await expect(tab.dialog.get_by_role("alert")).to_contain_text("Changed meanwhile")
    await tab.page.unroute(deaf)
    await expect(card.get_by_role("listitem", name="bob")).to_be_attached()
    await tab.click("Save", tab.dialog)
    await expect(tab.dialog).to_be_hidden()
    assert [user["username"] for user in (await desk.get(slug))["basic_auth"]] == ["bob", "ada"]
    await _answer(desk, slug, 200, "another password")
    await _answer(desk, slug, 401, "a long password")


async def _answer(desk: Desk, slug: str, status: int, password: str = "") -> httpx.Response:
    """What the app's address says to ada, once it says that."""

    async def ask() -> httpx.Response | None:
        async with desk.stack.app_client(slug) as client:
            answer = await client.get("/", auth=("ada", password) if password else None)
        return answer if answer.status_code == status else None

    found = await eventually(ask, what=f"an answer of {status}")
    assert found
    return found


async def test_how_a_repository_is_built(tab: Tab, desk: Desk) -> None:
    slug = (await desk.app())["slug"]
    await desk.call("PUT", f"/apps/{slug}", json={"git_repo_url": "https://git.example/a/b.git"})
    part = await tab.at(f"#/apps/{slug}/source", "Source")
    card = part.get_by_role("region", name="Build", exact=True)
    await card.get_by_label("Built with").select_option("railpack")
    await card.get_by_label("Secrets").fill("NPM_TOKEN\nPIP-TOKEN")
    await tab.click("Save", card)
    await expect(card.get_by_label("Secrets")).to_be_focused()
    await card.get_by_label("Secrets").fill("NPM_TOKEN\nPIP_TOKEN")
    await card.get_by_label("Fetch submodules").check()
    await tab.click("Save", card)
    await expect(tab.page.locator("#said")).to_have_text("The build is saved.")

    args = part.get_by_role("region", name="Build arguments")
    await tab.click("Add argument", args)
    await tab.fill(Name="BUILDKIT_SYNTAX", Value="x")
    await tab.click("Add argument", tab.dialog)
    await expect(tab.dialog.get_by_label("Name")).to_have_accessible_description(re.compile("the builder itself uses"))
    await tab.fill(Name="NODE_ENV", Value="production\nand a second line")
    await tab.click("Add argument", tab.dialog)
    await expect(args.get_by_role("listitem", name="NODE_ENV")).to_contain_text("production")
    await tab.click("Edit NODE_ENV", args)
    await expect(tab.dialog.get_by_label("Value")).to_have_value("production\nand a second line")
    await tab.fill(Value="test")
    await tab.click("Save", tab.dialog)
    await expect(tab.dialog).to_be_hidden()
    build = {"builder": "railpack", "args": {"NODE_ENV": "test"}, "secrets": ["NPM_TOKEN", "PIP_TOKEN"], "submodules": True, "lfs": False}
    assert (await desk.get(slug))["build"] == build
    await tab.click("Remove NODE_ENV", args)
    await tab.click("Remove argument", tab.dialog)
    await expect(args).to_contain_text("None. A step sees one")
    assert (await desk.get(slug))["build"] == {**build, "args": {}}


async def test_who_did_what(tab: Tab, desk: Desk) -> None:
    app = await desk.app(name="<b>Shop</b>")
    path = f"/apps/{app['slug']}/env"
    for _ in range(60):
        await desk.call("GET", path, params={"reveal": True})
    await tab.open("#/audit")
    await tab.sign_in()
    shown = tab.page.get_by_role("list", name="Audit")
    signed_in = shown.get_by_role("listitem", name="login.accepted").first
    await expect(signed_in).to_contain_text(EMAIL)
    await expect(signed_in).to_contain_text("from 127.0.0.1")

    await tab.page.get_by_label("Project", exact=True).select_option(app["project_id"])
    revealed = shown.get_by_role("listitem", name="env.revealed")
    await expect(revealed).to_have_count(50)
    await expect(revealed.first.get_by_role("link", name="<b>Shop</b>")).to_have_attribute("href", f"#/apps/{app['slug']}")
    await expect(revealed.first).to_contain_text("with the key")
    await tab.click("Show older")
    await expect(revealed).to_have_count(60)
    await expect(tab.page.get_by_role("button", name="Show older")).to_be_hidden()

    answer = await desk.api.delete(f"/apps/{app['slug']}", params={"wait": 60}, headers={"X-Request-Id": ids.new("req")})
    deleted = shown.get_by_role("listitem", name="app.deleting")
    await deleted.get_by_role("button", name="Details of app.deleting").click()
    for words in (app["id"], answer.headers["x-request-id"], (await desk.call("GET", "/auth/me"))["key_id"]):
        await expect(deleted).to_contain_text(words)
    await tab.page.get_by_label("Action", exact=True).fill("app.created")
    await expect(shown.get_by_role("listitem")).to_have_count(1)
    await tab.page.get_by_label("Action", exact=True).fill("app.forgotten")
    await expect(shown).to_contain_text("Nothing that fits.")

    await tab.open(f"#/projects/{app['project_id']}/audit")
    part = tab.page.get_by_role("region", name="Audit")
    await expect(part.get_by_role("listitem", name="app.deleting")).to_be_visible()
    await expect(part.get_by_role("listitem", name="login.accepted")).to_have_count(0)


async def test_what_a_deleted_app_left(tab: Tab, desk: Desk) -> None:
    app = await desk.live(images.web())
    await desk.call("POST", f"/apps/{app['slug']}/volumes", json={"name": "data", "mount_path": "/data"})
    part = await tab.at(f"#/projects/{app['project_id']}/volumes", "Volumes")
    kept = part.get_by_role("listitem", name="data of a test")
    await expect(kept.get_by_role("link", name="a test")).to_have_attribute("href", f"#/apps/{app['slug']}/volumes")
    await expect(kept.get_by_role("button")).to_have_count(0)
    await desk.call("DELETE", f"/apps/{app['slug']}", params={"wait": 60})
    left = part.get_by_role("listitem", name="data of a deleted app")
    await tab.click("Destroy data", left)
    await tab.click("Destroy", tab.dialog)
    await expect(left).to_have_count(0)
    assert (await desk.call("GET", f"/projects/{app['project_id']}/volumes"))["items"] == []
