"""The seed document's golden path, word for word but for the host and the image."""

import httpx

from tests import images
from tests.e2e.conftest import Desk
from tests.stack import Stack, eventually


async def test_the_golden_path(desk: Desk, stack: Stack) -> None:
    """List projects, make one, make an app, deploy it by either route: it answers at the `url` in the answer."""
    assert "items" in await desk.call("GET", "/projects")
    project = await desk.call("POST", "/projects", json={"name": "My Project"})
    slug = desk.slug("my-app")
    body = {"name": "my-app", "slug": slug, "image": images.web(), "internal_port": images.PORT}
    made = await desk.api.post(f"/projects/{project['id']}/apps", json=body)
    assert made.status_code == 201, made.text
    app = made.json()
    assert (app["slug"], app["status"], app["status_reason"]) == (slug, "stopped", "never_deployed")

    accepted = await desk.api.post(f"/apps/{app['id']}/deploy")
    assert accepted.status_code == 202, accepted.text
    where = accepted.headers["Location"]

    async def live() -> bool:
        answer = await desk.api.get(where if where.startswith("https") else f"{stack.url}{where}")
        assert answer.json()["status"] in {"queued", "building", "deploying", "live"}, answer.text
        return bool(answer.json()["status"] == "live")

    await eventually(live, what="the deployment to be live")
    app = await desk.get(slug)
    assert app["status"] == "running"
    assert app["url"] == stack.app_url(slug)
    async with stack.browser() as browser:
        answer = await browser.get(app["url"])
    assert (answer.status_code, answer.text) == (200, "hello\n")

    again = await desk.call("POST", f"/deploy/{slug}", params={"wait": 60})
    assert (again["status"], again["number"]) == ("live", 2)
    deployments = await desk.call("GET", f"/apps/{slug}/deployments")
    assert [each["status"] for each in deployments["items"]] == ["live", "live"]
    assert (await desk.get(slug))["current_deployment_id"] == again["id"]


async def test_one_call_from_nothing_to_live(desk: Desk, stack: Stack) -> None:
    slug = desk.slug("one")
    body = {
        "create": True,
        "project": "one call",
        "name": "one",
        "image": images.web(),
        "internal_port": images.PORT,
        "env": {"VERSION": "1"},
    }
    deployment = await desk.call("POST", f"/deploy/{slug}", params={"wait": 60}, json=body)
    assert deployment["status"] == "live"
    assert deployment["url"] == stack.app_url(slug)
    assert (await desk.look(slug, "/version")).text == "1"
    assert [phase["name"] for phase in deployment["phases"]]

    again = await desk.call("POST", f"/deploy/{slug}", params={"wait": 60}, json={**body, "env": {"VERSION": "2"}})
    assert again["number"] == 2
    assert (await desk.look(slug, "/version")).text == "2"


async def test_http_leads_to_https(desk: Desk, stack: Stack) -> None:
    app = await desk.live()
    async with httpx.AsyncClient() as client:
        answer = await client.get(
            f"http://127.0.0.1:{stack.http_port}/x?y=1", headers={"Host": f"{stack.host(app['slug'])}:{stack.http_port}"}
        )
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{app['url']}/x?y=1"


async def test_usage_comes_with_the_sync(desk: Desk) -> None:
    app = await desk.live()

    async def synced() -> bool:
        seen = await desk.get(app["slug"])
        # The kernel charges memory in batches: a look right after the start may find none yet.
        return bool(seen["memory_usage"]) and seen["cpu_usage"] is not None and not seen["stale"]

    await eventually(synced, what="figures of the app")
    seen = await desk.get(app["slug"])
    assert 0 < seen["memory_usage"] < 50
    assert seen["status_synced_at"].endswith("Z")


async def test_status_and_documents(stack: Stack) -> None:
    async with stack.browser() as browser:
        status = (await browser.get(f"{stack.url}/api/v1/system/status")).json()
        assert (status["name"], status["status"], status["url"]) == ("dockup", "ok", stack.url)
        documents = [
            await browser.get(f"{stack.url}{path}") for path in ("/api/v1/openapi.json", "/.well-known/openapi.json", "/swagger.json")
        ]
        assert [each.status_code for each in documents] == [200, 200, 200]
        assert documents[0].json() == documents[1].json() == documents[2].json()
        assert documents[0].json()["openapi"].startswith("3.1")
        assert "# Dockup" in (await browser.get(f"{stack.url}/llms.txt")).text
        assert (await browser.get(f"{stack.url}/metrics")).status_code == 404
