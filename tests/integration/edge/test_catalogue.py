"""Every code that any part of Dockup gives has its page: what `type` in an error points to answers."""

import ast
from pathlib import Path

from services.router import pages
from tests.integration.edge.conftest import Api

ROOT = Path(__file__).parents[3]
_GIVERS = {"Problem": 0, "failure": 1, "_failed": 1, "_code": 1, "Page": 0}
"""Names of what is called with a code, and where among the arguments it stands."""


def written() -> set[str]:
    """The codes that stand in the source of services and libraries, as literals. The command line's own are no answers of the API."""
    found = set()
    for folder in ("services", "libs/common", "libs/supervisor"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    found |= _codes_of(node)
    return found


def _codes_of(call: ast.Call) -> set[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    given = [*call.args[_GIVERS[name] :][:1], *named] if name in _GIVERS else named
    texts = (node.value for node in given if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and text.isidentifier()}


async def test_every_type_resolves(api: Api) -> None:
    codes = written()
    assert {"unknown_host", "app_not_running", "image_not_found", "port_not_listening", "internal_error", "rate_limited"} <= codes
    for code in sorted(codes):
        answer = await api.as_nobody.get(f"/api/v1/errors/{code}")
        assert (answer.status_code, answer.json()["code"]) == (200, code)
        assert answer.json()["title"]
        assert answer.json()["hint"]


async def test_what_the_proxy_says_is_what_the_catalogue_says(api: Api) -> None:
    for page in pages.EVERY:
        entry = (await api.as_nobody.get(f"/api/v1/errors/{page.code}")).json()
        assert page.status in entry["statuses"], page
        assert entry["status"] == entry["statuses"][0]
        if page.code != "not_found":
            assert (entry["title"], entry["hint"]) == (page.title, page.hint)


async def test_the_page_for_people_names_each_status(api: Api) -> None:
    page = await api.as_nobody.get("/api/v1/errors/app_not_running", headers={"Accept": "text/html"})
    assert "<dd>409 or 503</dd>" in page.text
