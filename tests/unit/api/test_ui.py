"""The page and its files: whole, from this server alone, and fit for a strict Content-Security-Policy."""

import re
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from services.api.http.answers import answer
from services.api.ui import assets
from services.api.ui.controllers import UiController

HERE = f"/ui/{assets.version()}/"
VENDORED = {"xterm.js"}
SCRIPTS = [name for name in assets.assets() if name.endswith(".js") and name not in VENDORED]


def client() -> httpx.AsyncClient:
    app = Litestar([UiController], exception_handlers={Exception: answer}, openapi_config=None)
    app.state.base_url = "https://localhost"
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


def text(name: str) -> str:
    return assets.assets()[name].body.decode()


async def test_the_page_runs_nothing_that_stands_in_it() -> None:
    async with client() as browser:
        page = await browser.get("/")
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy["script-src"], policy["style-src"], policy["connect-src"]} == {"'self'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"<style|style=|\son[a-z]+=|javascript:|https?://", page.text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page.text))


async def test_every_file_that_the_page_names_is_there_and_is_kept() -> None:
    async with client() as browser:
        named = re.findall(r'(?:src|href)="(/ui/[^"]+)"', (await browser.get("/")).text)
        assert f"{HERE}main.js" in named
        for path in named:
            found = await browser.get(path)
            assert found.status_code == 200, path
            assert found.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_stands_on_files_of_ours(name: str) -> None:
    imported = re.findall(r'(?:from |import\()"([^"]+)"', text(name))
    assert {path.removeprefix("./") for path in imported} <= {*SCRIPTS, *VENDORED}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|https?://(?!www\.w3\.org/)[a-z]", text(name))


def test_every_class_in_the_scripts_has_a_style() -> None:
    styles = "".join(text(name) for name in assets.assets() if name.endswith(".css"))
    used = {word for name in SCRIPTS for spec in re.findall(r'h\("[a-z0-9]+((?:\.[a-z]+)+)"', text(name)) for word in spec.split(".")[1:]}
    assert used - set(re.findall(r"\.([a-z]+)", styles)) == set()


async def test_a_file_comes_packed_to_who_takes_that() -> None:
    async with client() as browser:
        packed = await browser.get(f"{HERE}main.js")
        plain = await browser.get(f"{HERE}main.js", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert packed.content == plain.content
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


async def test_another_version_s_path_gives_the_present_file_and_is_not_kept() -> None:
    async with client() as browser:
        old = await browser.get("/ui/0123456789abcdef/main.js")
        assert (old.status_code, old.headers["cache-control"]) == (200, "no-store")
        for path in (f"{HERE}nothing.js", f"{HERE}index.html", f"{HERE}..%2Fassets.py", f"{HERE}%2e%2e/controllers.py"):
            missing = await browser.get(path)
            assert (missing.status_code, missing.json()["code"]) == (404, "not_found"), path


def test_the_version_is_that_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = assets.version()
    (tmp_path / "main.js").write_text("export {};")
    monkeypatch.setattr(assets, "_FOLDER", tmp_path)
    assets.assets.cache_clear()
    assets.version.cache_clear()
    try:
        assert assets.version() != before
    finally:
        monkeypatch.undo()
        assets.assets.cache_clear()
        assets.version.cache_clear()
    assert assets.version() == before
