"""The web UI in a real Chromium, on a whole Dockup."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import expect

from libs.common import ids
from tests import images
from tests.e2e.browser import Tab, chromium
from tests.e2e.conftest import Desk
from tests.stack import Stack


@pytest.fixture
async def tab(stack: Stack) -> AsyncIterator[Tab]:
    async with chromium(stack) as tab:
        yield tab


async def test_from_signing_in_to_a_key_that_works(tab: Tab, desk: Desk, stack: Stack) -> None:
    page, project, slug = tab.page, ids.new("shop"), desk.slug("ui")
    await tab.open()
    await tab.sign_in()
    await page.get_by_role("heading", name="Projects", level=1).wait_for()

    await page.get_by_role("button", name="New project").first.click()
    await tab.fill(Name=project)
    await tab.click("Create project", tab.dialog)
    await page.get_by_role("region", name=project).get_by_text("No apps yet.").wait_for()

    row = await tab.new_app(project, Name="Front <b>door</b>", Slug=slug, Image=images.web(), Port=str(images.PORT))
    await expect(row).to_contain_text("Stopped · never deployed")
    await tab.click("Deploy", row)
    await expect(row.get_by_role("list", name="Progress")).to_contain_text("Live")
    await expect(row.locator(".way [data-kind=done]").last).to_contain_text("Live")
    await expect(row).to_contain_text("Running")
    await expect(row.get_by_role("link", name=stack.app_url(slug))).to_have_attribute("href", stack.app_url(slug))
    assert (await desk.look(slug)).text == "hello\n"
    await expect(row.get_by_role("definition").nth(1)).not_to_have_text("0.0 MB")  # memory, with the next sync

    await page.get_by_role("link", name="API Keys").click()
    await page.get_by_role("heading", name="API Keys", level=1).wait_for()
    name = ids.new("agent")
    await page.get_by_role("button", name="New key").first.click()
    await tab.fill(Name=name)
    await tab.dialog.get_by_label("Project", exact=True).select_option(label=project)
    await tab.dialog.get_by_label("Expires", exact=True).select_option(label="In 30 days")
    await tab.click("Create key", tab.dialog)
    await tab.click("Copy key", tab.dialog)
    await tab.dialog.get_by_text("Copied", exact=True).wait_for()
    key = await page.evaluate("navigator.clipboard.readText()")
    await tab.click("Done", tab.dialog)
    assert await _may(stack, key) == (200, name)

    made = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name))
    await tab.click("Show", made)
    await made.get_by_text(key, exact=True).wait_for()
    await tab.click(f"Delete {name}", made)
    await tab.click("Delete key", tab.dialog)
    await made.wait_for(state="detached")
    assert (await _may(stack, key))[0] == 401

    token = await tab.token()
    await tab.click("Sign out")
    await page.get_by_text("You are signed out.").wait_for()
    assert await page.evaluate("sessionStorage.length") == 0
    assert (await _may(stack, token))[0] == 401


async def test_what_goes_wrong_is_said_where_it_is(tab: Tab, desk: Desk, stack: Stack) -> None:
    page, project, slug = tab.page, ids.new("project"), desk.slug("bad")
    await tab.open()
    await tab.sign_in("not the password")
    await expect(page.get_by_role("alert")).to_contain_text("Email or password is wrong")
    await tab.sign_in()
    await page.get_by_role("heading", name="Projects", level=1).wait_for()

    await page.get_by_role("button", name="New project").first.click()
    await tab.click("Create project", tab.dialog)
    await expect(tab.dialog.get_by_label("Name")).to_have_accessible_description(re.compile("takes 1 to 100 characters"))
    await expect(tab.dialog.get_by_label("Name")).to_be_focused()
    await tab.fill(Name=project)
    await tab.click("Create project", tab.dialog)

    await tab.click("New app", page.get_by_role("region", name=project))
    await tab.fill(Name="Broken", Slug=slug, Image="Not An Image", Port="http")
    await tab.click("Create app", tab.dialog)
    for label, says in (("Image", "takes an image, such as nginx:alpine"), ("Port", "takes a port, 1 to 65535")):
        await expect(tab.dialog.get_by_label(label, exact=True)).to_have_accessible_description(re.compile(says))
    await page.keyboard.press("Escape")
    row = await tab.new_app(project, Name="Broken", Slug=slug, Image=images.exits(), Port="80")
    await tab.click("Deploy", row)
    for words in ("container_exited", "while deploying", "exited with code 3", "Read the last log lines", "DATABASE_URL is not set"):
        await expect(row).to_contain_text(words)
    await expect(row).to_contain_text("Stopped · deploy failed")

    await tab.click("New app", page.get_by_role("region", name=project))
    await tab.fill(Name="Broken", Slug=slug)
    await tab.click("Create app", tab.dialog)
    await expect(tab.dialog.get_by_label("Slug", exact=True)).to_have_accessible_description(re.compile("is in use"))

    await _end_session(stack, await tab.token())
    await page.get_by_text("Your session has ended. Sign in again.").wait_for()
    await expect(tab.dialog).to_have_count(0)


async def _may(stack: Stack, token: str) -> tuple[int, str]:
    """What the API says to a token: status, and the name of the key that it is."""
    async with stack.browser() as client:
        headers = {"Authorization": f"Bearer {token}"}
        me = await client.get(f"{stack.url}/api/v1/auth/me", headers=headers)
        if me.status_code != httpx.codes.OK:
            return me.status_code, ""
        key = await client.get(f"{stack.url}/api/v1/api-keys/{me.json()['key_id']}", headers=headers)
        return me.status_code, key.json()["name"]


async def _end_session(stack: Stack, token: str) -> None:
    async with stack.browser() as client:
        answer = await client.post(f"{stack.url}/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == httpx.codes.NO_CONTENT
