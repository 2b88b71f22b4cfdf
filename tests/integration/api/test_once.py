"""`Idempotency-Key`: a request that is sent again happens once."""

import asyncio
from typing import Any

import pytest

from libs.common import ids
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_deploy_that_is_sent_again(api: ApiServer, app: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": ids.new("k")}
    answers = await asyncio.gather(*(api.client.post(f"/apps/{app['id']}/deploy", headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotent-replay", "") for answer in answers) == ["", *["true"] * 4]
    assert len((await api.client.get(f"/apps/{app['id']}/deployments")).json()["items"]) == 1


async def test_a_replay_joins_the_wait(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": ids.new("k")}
    first = (await api.client.post(f"/deploy/{app['slug']}", headers=headers)).json()
    joined = asyncio.create_task(api.client.post(f"/deploy/{app['slug']}?wait=20", headers=headers))
    await world.command(app["id"])
    await world.bring_live(first)
    answer = await joined
    assert (answer.status_code, answer.json()["status"]) == (200, "live")
    assert answer.headers["idempotent-replay"] == "true"


async def test_another_request_with_the_same_key(api: ApiServer, project: dict[str, Any], app: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": ids.new("k")}
    assert (await api.client.post(f"/apps/{app['id']}/deploy", headers=headers)).status_code == 202
    other = await api.client.post(f"/apps/{app['id']}/deploy", headers=headers, json={"image": "other"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    path = await api.client.post(f"/apps/{app['id']}/stop", headers=headers)
    assert path.json()["code"] == "idempotency_key_reused"


async def test_a_refusal_leaves_no_claim(api: ApiServer, project: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": ids.new("k")}
    slug = f"later-{ids.new('s')[-8:]}"
    assert (await api.client.post(f"/deploy/{slug}", headers=headers)).status_code == 404
    await api.client.post(f"/projects/{project['id']}/apps", json={"name": "x", "slug": slug, "image": "nginx"})
    assert (await api.client.post(f"/deploy/{slug}", headers=headers)).status_code == 202


async def test_creates_are_made_once(api: ApiServer, project: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": ids.new("k")}
    body = {"name": "once", "slug": f"once-{ids.new('s')[-8:]}"}
    first, second = [await api.client.post(f"/projects/{project['id']}/apps", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content


@pytest.mark.parametrize("key", ["", "x" * 256, "ä"])
async def test_keys_that_are_none(api: ApiServer, app: dict[str, Any], key: str) -> None:
    answer = await api.client.post(f"/apps/{app['id']}/deploy", headers={"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")


async def test_two_that_make_the_same_at_once(api: ApiServer) -> None:
    name = ids.new("p")
    made = await asyncio.gather(
        *(api.client.post(f"/deploy/{name[-12:]}-{n}", json={"create": True, "project": name, "image": "nginx:1"}) for n in range(4))
    )
    assert {answer.status_code for answer in made} == {202}, [answer.text for answer in made]
    projects = (await api.client.get("/projects?limit=200")).json()["items"]
    assert [project["app_count"] for project in projects if project["name"] == name] == [4]

    email = f"{ids.new('u')}@example.com"
    users = await asyncio.gather(*(api.client.post("/users", json={"email": email}) for _ in range(4)))
    assert sorted(answer.status_code for answer in users) == [201, 409, 409, 409]
    await api.client.delete("/auth/codex-key")
    keys = await asyncio.gather(*(api.client.put("/auth/codex-key", json={"key": f"sk-{n}-0123456789abcdef"}) for n in range(4)))
    assert {answer.status_code for answer in keys} <= {200, 409}, [answer.text for answer in keys]
    await api.client.delete("/auth/codex-key")


async def test_first_deploys_of_one_app_at_once(api: ApiServer) -> None:
    """One makes it, with its project, and the others deploy what they find then."""
    slug, body = f"first-{ids.new('s')[-8:]}", {"create": True, "project": ids.new("p"), "image": "nginx:1"}
    made = await asyncio.gather(*(api.client.post(f"/deploy/{slug}", json={**body, "memory_limit": 64 + n}) for n in range(4)))
    assert [answer.status_code for answer in made] == [202] * 4, [answer.text for answer in made]
    assert sorted(answer.json()["number"] for answer in made) == [1, 2, 3, 4]
    elsewhere = await api.client.post(f"/deploy/{slug}", json={**body, "project": ids.new("p")})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "slug_taken")
