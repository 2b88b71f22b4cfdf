"""A real Chromium, Debian's, on the web UI of a stack."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from playwright.async_api import Error, Locator, Page, Route, async_playwright, expect

from tests.stack import Stack
from tests.stack.dockup import PASSWORD

EMAIL = "admin@example.com"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    # What a route here brings has no address of its own, so that the page's WebSockets would count as a stranger's reach into this network.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
)
_PATIENCE = 20_000
"""In milliseconds: what is waited for comes at once, but on a machine that has much to do."""


class Tab:
    """One tab. `wrong` is what no page may ever do: an exception, or something that the Content-Security-Policy stops."""

    def __init__(self, page: Page, stack: Stack) -> None:
        self.page = page
        self.stack = stack
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda message: self.wrong.append(message.text) if "Content Security Policy" in message.text else None)

    async def open(self, address: str = "") -> None:
        await self.page.goto(f"{self.stack.url}/{address}")
        await self.page.get_by_role("heading", level=1).wait_for()

    async def at(self, address: str, part: str) -> Locator:
        """Sign in at that address, as somebody does who was sent a link; the part of the page that it names."""
        await self.open(address)
        await self.sign_in()
        region = self.page.get_by_role("region", name=part, exact=True)
        await region.first.wait_for()
        return region.first

    async def sign_in(self, password: str = PASSWORD) -> None:
        await self.page.get_by_label("Email").fill(EMAIL)
        await self.page.get_by_label("Password").fill(password)
        await self.click("Sign in")

    async def click(self, name: str, within: Locator | None = None) -> None:
        await (within or self.page).get_by_role("button", name=name, exact=True).click()

    async def fill(self, **fields: str) -> None:
        """Fields of the open dialog, by their labels."""
        for label, text in fields.items():
            await self.dialog.get_by_label(label, exact=True).fill(text)

    async def token(self) -> str:
        """What this tab is signed in with."""
        return str(await self.page.evaluate("JSON.parse(sessionStorage.getItem('dockup.session')).token"))

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def part(self, name: str) -> Locator:
        """Go to that part of the app's page that is open."""
        await self.page.get_by_role("navigation", name="Parts of the app").get_by_role("link", name=name, exact=True).click()
        return self.page.get_by_role("region", name=name, exact=True)

    def app(self, name: str) -> Locator:
        return self.page.get_by_role("listitem", name=name, exact=True)

    async def new_app(self, project: str, **fields: str) -> Locator:
        await self.click("New app", self.page.get_by_role("region", name=project))
        await self.fill(**fields)
        await self.click("Create app", self.dialog)
        row = self.app(fields["Name"])
        await row.wait_for()
        return row


def _program() -> str:
    for name in ("chromium-headless-shell", "chromium"):
        if found := shutil.which(name):
            return found
    raise RuntimeError("This test needs a browser: apt-get install chromium-headless-shell")


async def _bring(route: Route) -> None:
    """Chromium breaks off whatever it loads when a container brings a network interface or takes it away: others load for it."""
    with suppress(Error):  # the page has gone meanwhile
        try:
            answer = await route.fetch()
        except Error:
            await route.abort()
        else:
            await route.fulfill(response=answer)


@asynccontextmanager
async def chromium(stack: Stack) -> AsyncIterator[Tab]:
    """A new profile; the stack's own certificate authority is not looked at, other tests do that."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_program(), args=_ARGUMENTS)
        context = await browser.new_context(ignore_https_errors=True, permissions=["clipboard-read", "clipboard-write"])
        context.set_default_timeout(_PATIENCE)
        expect.set_options(timeout=_PATIENCE)
        await context.route("**/*", _bring)
        tab = Tab(await context.new_page(), stack)
        try:
            yield tab
        finally:
            await browser.close()
    assert tab.wrong == []
