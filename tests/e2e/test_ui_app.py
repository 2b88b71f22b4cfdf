"""An app's page in a real Chromium: what programs and people wrote stays text, and what is shown is what is."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from playwright.async_api import Locator, Page, expect

from libs.common import ids
from tests import images
from tests.e2e.browser import Tab, chromium
from tests.e2e.conftest import Desk
from tests.stack import Stack

HOSTILE = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
SECRET = ids.new("secret")
ECHO = """echo "$GREETING"; echo "the key is $API_KEY"; printf '\\033[31mred\\033[0m\\n'; n=0
while :; do n=$((n+1)); echo "tick $n"; sleep 0.1; done & exec /web"""


@pytest.fixture
async def tab(stack: Stack) -> AsyncIterator[Tab]:
    async with chromium(stack) as tab:
        yield tab
        assert await tab.page.evaluate("window.hit") is None


async def test_a_walk_through_an_app(tab: Tab, desk: Desk, stack: Stack) -> None:
    app = await desk.live(images.shell(), name=HOSTILE, command=["-c", ECHO], env={"GREETING": HOSTILE, "API_KEY": SECRET})
    await tab.open()
    await tab.sign_in()
    await tab.app(HOSTILE).get_by_role("link", name=HOSTILE).click()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    await _logs(tab, await tab.part("Logs"), stack)
    await _terminal(tab, await tab.part("Terminal"))
    await expect((await tab.part("Metrics")).get_by_role("img", name="Memory: now")).to_be_visible()
    await _environment(tab, await tab.part("Environment"), desk, app["slug"])
    await _deployments(tab, await tab.part("Deployments"), desk, app["slug"])
    await _scaling(tab, await tab.part("Scaling"), desk, app["slug"])


async def test_what_else_an_app_has(tab: Tab, desk: Desk) -> None:
    """What needs nothing that runs."""
    app = await desk.app(images.shell(), name=HOSTILE)
    part = await tab.at(f"#/apps/{app['slug']}/domains", "Domains")
    await _domains(tab, part)
    await _jobs(tab, await tab.part("Runs"))
    await _notifications(tab, await tab.part("Notifications"))


@pytest.mark.long
async def test_a_backup_and_a_run(tab: Tab, desk: Desk) -> None:
    app = await desk.app(images.shell(), name=HOSTILE, command=["-c", "exec /web"])
    await desk.call("POST", f"/apps/{app['slug']}/volumes", json={"name": "data", "mount_path": "/data"})
    await desk.deploy(app["slug"])
    await _volumes(tab, await tab.at(f"#/apps/{app['slug']}/volumes", "Volumes"), desk, app["slug"])
    await _runs(tab, await tab.part("Runs"))


async def _logs(tab: Tab, part: Locator, stack: Stack) -> None:
    log = part.get_by_role("log")
    await expect(log).to_contain_text(HOSTILE)
    await expect(log).to_contain_text("the key is ••••")
    await expect(log.get_by_text("red", exact=True)).to_be_visible()
    assert SECRET not in await log.inner_text()
    await part.get_by_label("Show only lines with").fill("the KEY")
    await expect(log.get_by_text("tick 1", exact=True)).to_be_hidden()
    await part.get_by_label("Show only lines with").fill("")

    await tab.click("Pause", part)
    await expect(part.get_by_role("button", name="Go on (")).to_be_visible()
    await part.get_by_role("button", name="Go on").click()
    before = stack.kill("api")
    await expect(part.get_by_text("Trying again")).to_be_visible()
    stack.wait_for_another("api", before)
    stack.wait_until_ok()
    await expect(part.get_by_text("Live", exact=True)).to_be_visible()
    last = await _last_tick(log)
    await expect(log.get_by_text(f"tick {last + 3}", exact=True)).to_be_visible()
    ticks = await _ticks(log)
    assert all(later == earlier + 1 for earlier, later in pairwise(ticks)), ticks


async def _ticks(log: Locator) -> list[int]:
    """In the order in which they are shown."""
    said = await log.locator(".said").all_text_contents()
    return [int(text.removeprefix("tick ")) for text in said if text.startswith("tick ")]


async def _last_tick(log: Locator) -> int:
    return (await _ticks(log))[-1]


async def _environment(tab: Tab, part: Locator, desk: Desk, slug: str) -> None:
    row = part.get_by_role("listitem", name="API_KEY")
    await expect(row).to_contain_text("••••")
    await tab.click("Show values", part)
    await expect(row).to_contain_text(SECRET)
    await expect(part.get_by_role("listitem", name="GREETING")).to_contain_text(HOSTILE)
    audit = await desk.call("GET", "/audit", params={"limit": 20})
    assert "env.revealed" in [entry["action"] for entry in audit["items"]]

    await tab.click("Add variable", part)
    await tab.fill(Name="not a name", Value="1")
    await tab.click("Save", tab.dialog)
    await expect(tab.dialog.get_by_role("alert")).to_be_visible()
    await tab.fill(Name="MODE", Value="quiet")
    await tab.click("Save", tab.dialog)
    await expect(part.get_by_role("listitem", name="MODE")).to_contain_text("quiet")
    await expect(tab.page.get_by_text("Waits for a deploy: env.")).to_be_visible()
    await tab.click("Deploy now")
    await expect(_deployment(tab.page, 2).get_by_text("current", exact=True)).to_be_visible()
    assert (await desk.get(slug))["pending_changes"] is False


async def _deployments(tab: Tab, part: Locator, desk: Desk, slug: str) -> None:
    await desk.call("PUT", f"/apps/{slug}", json={"command": ["-c", f"echo '{HOSTILE}' >&2; exit 2"]})
    await desk.fail(slug)
    failed = _deployment(tab.page, 3)
    for words in ("container_exited", "exited with code 2", "Read the last log lines", HOSTILE):
        await expect(failed).to_contain_text(words)
    await tab.click("Show the log", failed)
    await expect(failed.get_by_role("log")).to_be_visible()
    await tab.click("Roll back", _deployment(tab.page, 1))
    await tab.click("Roll back", tab.dialog)
    await expect(_deployment(tab.page, 4).get_by_text("current", exact=True)).to_be_visible()
    await expect(part.get_by_text("current", exact=True).locator("visible=true")).to_have_count(1)


def _deployment(page: Page, number: int) -> Locator:
    return page.get_by_role("listitem", name=f"#{number}", exact=True)


async def _scaling(tab: Tab, part: Locator, desk: Desk, slug: str) -> None:
    limits, auto = part.get_by_role("region", name="Replicas and limits"), part.get_by_role("region", name="Autoscale")
    await limits.get_by_label("Memory limit").fill("many")
    await tab.click("Apply", limits)
    await expect(limits.get_by_label("Memory limit")).to_be_focused()
    await limits.get_by_label("Memory limit").fill("64")
    await limits.get_by_label("Replicas").fill("2")
    await tab.click("Apply", limits)
    await expect(limits).to_contain_text("2 of 2 wanted run now.")
    assert (await desk.get(slug))["memory_limit"] == 64
    await auto.get_by_label("At most").fill("4")
    await auto.get_by_label("CPU target").fill("60")
    await auto.get_by_label("Let load choose").check()
    await tab.click("Save", auto)
    await expect(tab.page.locator("#said")).to_have_text("Autoscaling is saved.")
    policy = await desk.call("GET", f"/apps/{slug}/autoscale")
    assert (policy["enabled"], policy["max_replicas"], policy["target_cpu_percent"]) == (True, 4, 60)


async def _terminal(tab: Tab, part: Locator) -> None:
    """A line in a colour of its own, which the page's policy would refuse in markup, and an answer that is no part of what was typed."""
    await expect(part.get_by_text("Connected", exact=True)).to_be_visible()
    await tab.page.keyboard.type(f"printf '\\033[38;2;1;2;3m%s %d\\033[0m\\n' '{HOSTILE}' $((6*7))\n")
    screen = part.locator(".xterm-rows")
    await expect(screen).to_contain_text(f"{HOSTILE} 42")
    await expect(screen.get_by_text(f"{HOSTILE} 42", exact=True)).to_have_css("color", "rgb(1, 2, 3)")
    await tab.page.keyboard.press("Control+Shift+M")
    await tab.page.keyboard.type("exit")
    await expect(part.get_by_text("Connected", exact=True)).to_be_visible()
    await part.locator(".xterm-screen").click()
    await tab.page.keyboard.type("exit 7\n")
    await expect(part.get_by_text("Ended with exit code 7")).to_be_visible()


async def _domains(tab: Tab, part: Locator) -> None:
    name = f"{ids.new('shop').replace('_', '-')}.example"
    await tab.click("Add domain", part)
    await tab.fill(Domain="not a domain")
    await tab.click("Add domain", tab.dialog)
    await expect(tab.dialog.get_by_label("Domain")).to_be_focused()
    await tab.fill(Domain=name)
    await tab.click("Add domain", tab.dialog)
    row = part.get_by_role("listitem", name=name)
    for words in ("pending", "it should have", f"_dockup.{name}", "dockup-verify="):
        await expect(row).to_contain_text(words)
    await tab.click(f"Remove {name}", row)
    await tab.click("Remove", tab.dialog)
    await expect(row).to_have_count(0)


async def _volumes(tab: Tab, part: Locator, desk: Desk, slug: str) -> None:
    row = part.get_by_role("listitem", name="data")
    await expect(row).to_contain_text("in use")
    await tab.click("Back up data now", row)
    await expect(row).to_contain_text("Backed up")
    await expect(row.get_by_role("button", name="Back up data now")).to_be_focused()
    await tab.click("Backups of data", row)
    await expect(tab.dialog.get_by_role("listitem")).to_have_count(1)
    async with tab.page.expect_download() as taken:
        await tab.click("Download", tab.dialog)
    assert (await taken.value).suggested_filename == "data.tar"
    await tab.click("Delete", tab.dialog)
    await tab.click("Delete backup", tab.dialog.last)
    await expect(tab.dialog).to_have_count(1)
    await expect(tab.dialog).to_contain_text("No backups on the server yet.")
    await expect(tab.dialog.get_by_role("button", name="Download")).to_be_focused()
    [volume] = (await desk.call("GET", f"/apps/{slug}/volumes"))["items"]
    assert (await desk.call("GET", f"/apps/{slug}/volumes/{volume['id']}/backups"))["items"] == []
    await tab.page.keyboard.press("Escape")


async def _runs(tab: Tab, part: Locator) -> None:
    await tab.click("Run a command", part)
    await tab.fill(Command=f"-c \"echo '{HOSTILE}'; exit 3\"")
    await tab.click("Run", tab.dialog)
    await expect(tab.dialog.get_by_role("log")).to_contain_text(HOSTILE)
    await expect(tab.dialog).to_contain_text("failed, exit code 3")
    await tab.page.keyboard.press("Escape")


async def _jobs(tab: Tab, part: Locator) -> None:
    await tab.click("Add job", part)
    await tab.fill(Name=HOSTILE, Schedule="0 4 * * 1", Command="-c true")
    await tab.dialog.get_by_label("Time zone").fill("UTC")
    await tab.click("Add job", tab.dialog)
    await expect(part.get_by_role("listitem", name=HOSTILE)).to_contain_text("0 4 * * 1 UTC")


async def _notifications(tab: Tab, part: Locator) -> None:
    await tab.click("Add hook", part)
    await tab.fill(Name=HOSTILE, Address="https://hooks.example/x", Events="deployment.failed, app.*")
    await tab.click("Add hook", tab.dialog)
    await expect(part.get_by_role("listitem", name=HOSTILE)).to_contain_text("deployment.failed, app.* of this app")
    await tab.click(f"Remove {HOSTILE}", part)
    await tab.click("Remove", tab.dialog)
    await expect(part.get_by_text("Nobody is told yet.")).to_be_visible()
