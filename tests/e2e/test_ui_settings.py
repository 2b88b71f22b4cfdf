"""Settings in a real Chromium: two people at once, an app's source and processes, a project and who works in it."""

from collections.abc import AsyncIterator

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


async def test_two_people_lose_no_word(tab: Tab, desk: Desk) -> None:
    """What others saved stays unless somebody says otherwise; and a link leads to where it says, through signing in."""
    app = await desk.app(images.web())
    part = await tab.at(f"#/apps/{app['slug']}/settings", "Settings")
    general = part.get_by_role("region", name="General")
    name, drain = general.get_by_label("Name"), general.get_by_label("Drain")

    await name.fill("Mine")
    await desk.call("PUT", f"/apps/{app['slug']}", json={"drain_seconds": 7})
    await tab.click("Save", general)
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Mine")
    await expect(drain).to_have_value("7")

    for choice, typed, kept in (("Save mine", "Mine again", "Mine again"), ("Take theirs", "Not that", "Theirs")):
        await name.fill(typed)
        await desk.call("PUT", f"/apps/{app['slug']}", json={"name": "Theirs"})
        await tab.click("Save", general)
        told = general.get_by_role("alert").filter(has_text="Changed meanwhile.")
        await expect(told).to_contain_text("Theirs: Theirs")
        await tab.click(choice, general)
        await expect(told).to_be_hidden()
        await expect(name).to_have_value(kept)
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text(kept)
        assert (await desk.get(app["slug"]))["name"] == kept


@pytest.mark.long
async def test_an_app_s_source_and_its_processes(tab: Tab, desk: Desk) -> None:
    app = await desk.app(images.web())
    source = await tab.at(f"#/apps/{app['slug']}/source", "Source")
    await source.get_by_label("The app comes from").select_option(label="A git repository")
    await source.get_by_label("Repository").fill("https://git.example/a/b.git")
    await tab.click("Save", source.get_by_role("region", name="Source"))
    await expect(source.get_by_role("region", name="Webhook")).to_contain_text("Make it by hand")
    await expect(source.get_by_role("region", name="Deliveries")).to_contain_text("Nothing came yet.")

    scaling = await tab.part("Scaling")
    await tab.click("Add process", scaling)
    await tab.fill(Name="web", Command="true")
    await tab.click("Add process", tab.dialog)
    await expect(tab.dialog.get_by_role("alert")).to_contain_text("is what takes the requests")
    await tab.fill(Name="worker", Command="python 'my worker.py'")
    await tab.click("Add process", tab.dialog)
    await tab.click("Edit worker", scaling)
    await expect(tab.dialog.get_by_label("Command")).to_have_value("python 'my worker.py'")
    await tab.fill(Replicas="3")
    await tab.click("Save", tab.dialog)
    await expect(scaling.get_by_role("listitem", name="worker")).to_contain_text("0 of 3 run")
    worker = (await desk.get(app["slug"]))["processes"]["worker"]
    assert (worker["command"], worker["replicas"]) == (["python", "my worker.py"], 3)

    await tab.page.go_back()
    await expect(tab.page.get_by_role("region", name="Webhook")).to_be_visible()


async def test_a_project_and_who_works_in_it(tab: Tab, desk: Desk) -> None:
    project, email = await desk.project(), f"{ids.new('ada')}@example.com"
    await desk.call("POST", "/users", json={"email": email})
    part = await tab.at(f"#/projects/{project}/members", "Members")
    await tab.click("Add member", part)
    await tab.fill(Email="nobody@example.com")
    await tab.click("Add member", tab.dialog)
    await expect(tab.dialog.get_by_role("alert")).to_contain_text("not_found")
    await tab.fill(Email=email)
    await tab.click("Add member", tab.dialog)
    await expect(part.get_by_role("listitem", name=email)).to_contain_text("deployer")

    await tab.page.get_by_role("link", name="Shared variables").click()
    variables = tab.page.get_by_role("region", name="Shared variables")
    await tab.click("Add variable", variables)
    await tab.fill(Name="TOKEN", Value="ours")
    await desk.call("PUT", f"/projects/{project}/env", json={"TOKEN": "theirs"})
    await tab.click("Save", tab.dialog)
    await expect(tab.dialog.get_by_role("alert")).to_contain_text("Changed meanwhile")
    await tab.click("Save", tab.dialog)
    await expect(tab.dialog).to_be_hidden()
    await expect(variables.get_by_role("listitem", name="TOKEN")).to_be_visible()
    assert await desk.call("GET", f"/projects/{project}/env", params={"reveal": True}) == {"TOKEN": "ours"}

    await tab.page.get_by_role("link", name="Account", exact=True).click()
    await expect(tab.page.get_by_role("region", name="Sign-ins")).to_contain_text("this one")
    await tab.click("Connect GitHub")
    await expect(tab.page.get_by_role("alert")).to_contain_text("github_not_configured")
