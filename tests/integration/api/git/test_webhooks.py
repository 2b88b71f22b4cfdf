"""A push becomes a deployment once, and whatever does not says why."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import event, update

from libs.common import clock, ids
from services.api.webhooks import judging
from services.api.webhooks.models import DeliveryRow
from tests.integration.api.git.conftest import GLOBAL_SECRET
from tests.integration.api.git.test_connections import connect
from tests.servers.api import ApiServer, World
from tests.servers.github import GitHubServer, signed, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("connected")]
Json = dict[str, Any]


@pytest_asyncio.fixture(loop_scope="module")
async def connected(api: ApiServer, github: GitHubServer) -> Json:
    return await connect(api, github)


@pytest_asyncio.fixture(loop_scope="module")
async def repo(github: GitHubServer) -> str:
    name = f"ada/{ids.new('r')[-10:]}"
    github.add_repo(name, {"Dockerfile": "FROM scratch\n"}, private=True)
    return name


async def make(api: ApiServer, project: Json, repo: str, **fields: Any) -> Json:
    body = {"name": "demo", "slug": f"git-{ids.new('s')[-12:]}", "git_repo_url": repo, "git_provider": "github", **fields}
    made: Json = (await api.client.post(f"/projects/{project['id']}/apps", json=body)).raise_for_status().json()
    return made


async def webhook(api: ApiServer, app: Json) -> Json:
    found: Json = (await api.client.get(f"/apps/{app['id']}/webhook")).raise_for_status().json()
    return found


async def active(api: ApiServer, app: Json) -> Json:
    async def is_active() -> bool:
        return bool((await webhook(api, app))["active"])

    await until(is_active, "the webhook to be made")
    return await webhook(api, app)


async def deployments(api: ApiServer, app: Json) -> list[Json]:
    """All of an app, once its deliveries are judged."""
    await deliveries(api, app["id"])
    found: list[Json] = (await api.client.get(f"/apps/{app['id']}/deployments")).json()["items"]
    return found


async def deliveries(api: ApiServer, app_id: str) -> list[Json]:
    """All of an app, once they are judged."""
    found: list[Json] = []

    async def are_judged() -> bool:
        found[:] = (await api.client.get(f"/apps/{app_id}/webhook/deliveries")).json()["items"]
        return all(each["verdict"] != "received" for each in found)

    await until(are_judged, "the deliveries to be judged")
    return found


async def verdicts(api: ApiServer, app: Json) -> list[str]:
    return [each["verdict"] for each in await deliveries(api, app["id"])]


async def judged(api: ApiServer, answer: httpx.Response) -> list[Json]:
    """What became of the deliveries in an answer."""
    taken = answer.raise_for_status().json()["deliveries"]
    return [next(each for each in await deliveries(api, one["app_id"]) if each["id"] == one["id"]) for one in taken]


async def test_push_to_deployment_to_status(api: ApiServer, world: World, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(api, project, repo)
    hook = await active(api, app)
    assert hook["events"] == ["push", "pull_request"]
    assert github.hooks[repo][0]["config"] == {
        "url": f"https://localhost/api/v1/webhooks/apps/{app['id']}/github",
        "content_type": "json",
        "secret": hook["secret"],
        "insecure_ssl": "0",
    }
    pushed = await github.push(repo, {"index.html": "one"}, message="One\n\nand why")
    assert [answer.status_code for answer in pushed["answers"]] == [202], pushed["answers"][0].text
    delivery = (await judged(api, pushed["answers"][0]))[0]
    assert delivery["verdict"] == "deployed"
    deployment = (await deployments(api, app))[0]
    assert deployment["id"] == delivery["deployment_id"]
    assert (deployment["trigger"], deployment["commit"], deployment["commit_message"], deployment["ref"], deployment["actor"]) == (
        "webhook",
        pushed["commit"],
        "One",
        "main",
        "github:ada",
    )
    command = await world.command(app["id"])
    assert (command["commit"], command["url"]) == (pushed["commit"], f"{github.address}/{repo}.git")
    login = api.core.vault.open(command["login"], dict)
    assert login["username"] == "x-access-token"
    assert login["password"] in github.tokens
    await until(lambda: github.states(pushed["commit"]) == ["pending"], "the commit to be pending")
    await world.bring_live(deployment)
    await until(lambda: github.states(pushed["commit"])[-1] == "success", "the commit to be live")
    last = github.statuses[-1]
    assert (last["target_url"], last["context"]) == (app["url"], f"dockup/{app['slug']}")
    told = next(each for each in github.deployments.values() if each["ref"] == pushed["commit"])
    assert (told["environment"], told["production_environment"]) == (app["slug"], True)
    await until(lambda: told["statuses"][-1]["state"] == "success", "the Deployment to be told")
    assert told["statuses"][-1]["environment_url"] == app["url"]
    events = (await api.client.get(f"/apps/{app['id']}/events")).json()["items"]
    assert any(event["type"] == "webhook.received" and event["deployment_id"] == deployment["id"] for event in events)


async def test_the_same_push_five_times_forged_and_elsewhere(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(api, project, repo, watch_paths=["src/**"], git_branch="main")
    hook = await active(api, app)
    pushed = await github.push(repo, {"src/a": "1"})
    for _ in range(4):
        await github.deliver(repo, "push", pushed["payload"], delivery=pushed["delivery"])
    url = github.deliver_to(hook["url"])
    async with httpx.AsyncClient() as client:
        forged = await client.post(url, **signed(pushed["payload"], "another secret", "push", ids.new("d")))
        unsigned = await client.post(url, json=pushed["payload"], headers={"X-GitHub-Event": "push", "X-GitHub-Delivery": ids.new("d")})
    assert {(answer.status_code, answer.json()["code"]) for answer in (forged, unsigned)} == {(401, "signature_invalid")}
    await github.push(repo, {"src/b": "1"}, branch="dev")
    await github.push(repo, {"README.md": "1"})
    first = (await judged(api, pushed["answers"][0]))[0]
    assert await verdicts(api, app) == [
        "ignored: outside watch_paths",
        "ignored: branch dev is not main",
        "rejected: signature",
        "rejected: signature",
        *[f"duplicate of {first['id']}"] * 4,
        "deployed",
    ]
    assert len(await deployments(api, app)) == 1
    page = (await api.client.get(f"/apps/{app['id']}/webhook/deliveries", params={"limit": 8})).json()
    rest = (await api.client.get(f"/apps/{app['id']}/webhook/deliveries", params={"cursor": page["next_cursor"]})).json()
    assert [each["id"] for each in rest["items"]] == [first["id"]]


async def test_at_the_same_time_it_is_taken_once(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(api, project, repo)
    await active(api, app)
    payload = (await github.push(repo, {"a": "1"}, branch="other"))["payload"] | {"ref": "refs/heads/main"}
    await asyncio.gather(*(github.deliver(repo, "push", payload, delivery="the same") for _ in range(10)))
    assert sorted(word.partition(" ")[0] for word in await verdicts(api, app)) == ["deployed", *["duplicate"] * 9, "ignored:"]
    assert len(await deployments(api, app)) == 1


async def test_many_wait_for_the_disk_together(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(api, project, repo)
    await active(api, app)
    pushed = await github.push(repo, {"a": "1"}, branch="dev")
    await deliveries(api, app["id"])
    commits: list[object] = []
    count = commits.append
    engine = api.core.db._writer.sync_engine
    event.listen(engine, "commit", count)
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(github.deliver(repo, "push", pushed["payload"], delivery=f"{app['id']}-{number % 2}"))
    finally:
        event.remove(engine, "commit", count)
    found = await verdicts(api, app)
    assert (len(found), len([each for each in found if each.startswith("duplicate")])) == (21, 18)
    assert len(commits) < 18


async def test_a_newer_push_takes_the_place_of_one_that_is_built(
    api: ApiServer, world: World, project: Json, github: GitHubServer, repo: str
) -> None:
    app = await make(api, project, repo)
    await active(api, app)
    first = await github.push(repo, {"a": "1"})
    await world.image_started((await deployments(api, app))[0])
    second = await github.push(repo, {"a": "2"})
    assert [each["status"] for each in await deployments(api, app)] == ["queued", "superseded"]
    late = await github.deliver(repo, "push", first["payload"])
    assert (await judged(api, late["answers"][0]))[0]["verdict"] == f"ignored: {second['commit'][:12]} was pushed after it, and is deployed"
    await until(lambda: github.states(first["commit"])[-1:] == ["error"], "the first to be told that it was superseded")


async def test_redeliver(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(api, project, repo, auto_deploy=False)
    await api.client.put(f"/apps/{app['id']}", json={"auto_deploy": True})
    await active(api, app)
    await api.client.put(f"/apps/{app['id']}", json={"git_branch": "release"})
    pushed = await github.push(repo, {"a": "1"})
    first = (await judged(api, pushed["answers"][0]))[0]
    assert first["verdict"] == "ignored: branch main is not release"
    await api.client.put(f"/apps/{app['id']}", json={"git_branch": "main"})
    again = await api.client.post(f"/apps/{app['id']}/webhook/deliveries/{first['id']}/redeliver")
    assert (again.status_code, again.json()["verdict"], again.json()["redelivery_of"]) == (202, "deployed", first["id"])
    assert again.headers["location"] == f"/api/v1/deployments/{again.json()['deployment_id']}"
    assert (await deployments(api, app))[0]["commit"] == pushed["commit"]
    assert (await api.client.post(f"/apps/{app['id']}/webhook/deliveries/dlv_none/redeliver")).status_code == 404


async def test_what_a_killed_process_kept_is_judged_by_another(
    api: ApiServer, project: Json, github: GitHubServer, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says `received`, and nobody in this process has heard of it."""
    monkeypatch.setattr(judging, "_LOOK_SECONDS", 0.1)
    app = await make(api, project, repo, git_branch="release")
    await active(api, app)
    pushed = await github.push(repo, {"a": "1"})
    first = (await judged(api, pushed["answers"][0]))[0]
    assert first["verdict"] == "ignored: branch main is not release"
    await api.client.put(f"/apps/{app['id']}", json={"git_branch": "main"})
    before = clock.rfc3339(datetime.now(UTC) - timedelta(seconds=10))
    async with api.core.db.begin() as tx:
        left = update(DeliveryRow).where(DeliveryRow.id == first["id"]).values(verdict="received", received_at=before)
        await tx.connection.execute(left)
    assert await verdicts(api, app) == ["deployed"]
    assert [each["commit"] for each in await deployments(api, app)] == [pushed["commit"]]
    again = await api.client.post(f"/apps/{app['id']}/webhook/deliveries/{first['id']}/redeliver")
    assert (again.json()["verdict"], again.json()["redelivery_of"]) == ("deployed", first["id"]), "a person may have it twice"


async def test_what_no_database_takes_is_not_tried_for_ever(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    """A NUL in a branch's name: PostgreSQL has no text with one, so that the verdict could not be written."""
    app = await make(api, project, repo)
    await active(api, app)
    pushed = await github.push(repo, {"a": "1"}, branch="dev")
    odd = {**pushed["payload"], "ref": "refs/heads/a\0b"}
    taken = await judged(api, (await github.deliver(repo, "push", odd))["answers"][0])
    assert taken[0]["verdict"].startswith(("failed: Dockup itself failed", "ignored: branch a\0b is not main"))


async def test_a_flood_of_unsigned_deliveries_leaves_little(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(api, project, repo)
    url = github.deliver_to((await active(api, app))["url"])
    async with httpx.AsyncClient() as client:
        for _ in range(100):
            assert (await client.post(url, json={"x": "y"}, headers={"X-GitHub-Event": "push"})).status_code == 401
    async with api.core.db.read() as session:
        rows = (await session.execute(DeliveryRow.__table__.select().where(DeliveryRow.app_id == app["id"]))).all()
    assert len(rows) == 20
    assert {(row.verdict, row.payload) for row in rows} == {("rejected: signature", None)}


async def test_the_address_for_all_apps(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    apps = [await make(api, project, repo, auto_deploy=flag) for flag in (True, False)]
    payload = (await github.push(repo, {"a": "1"}, branch="other"))["payload"] | {"ref": "refs/heads/main"}
    async with httpx.AsyncClient(base_url=f"{api.url}/api/v1") as client:
        answer = await client.post("/webhooks/github", **signed(payload, GLOBAL_SECRET, "push", "for all"))
        assert [each["verdict"] for each in await judged(api, answer)] == ["deployed", "ignored: auto_deploy is off"]
        ping = await client.post("/webhooks/github", **signed({"zen": "x", "repository": github.repos[repo]}, GLOBAL_SECRET, "ping", "p"))
        assert [each["verdict"] for each in await judged(api, ping)] == ["ignored: nothing follows from ping"] * 2
        forged = await client.post("/webhooks/github", **signed(payload, "", "push", "forged"))
        assert forged.status_code == 401
        broken = await client.post("/webhooks/github", **signed({"ref": 1, "repository": github.repos[repo]}, GLOBAL_SECRET, "push", "x"))
        assert (broken.status_code, broken.json()["code"]) == (400, "delivery_unreadable")
        nameless = signed(payload, GLOBAL_SECRET, "push", "")
        assert (await client.post("/webhooks/github", **nameless)).json()["errors"][0]["pointer"] == "/x-github-delivery"
        assert (await client.post(f"/webhooks/apps/{apps[0]['id']}/svn", json={})).status_code == 404
        large = await client.post("/webhooks/github", content=b"x" * (25 * 1024**2 + 1), headers={"Content-Type": "application/json"})
        assert large.status_code == 413
    assert (await verdicts(api, apps[0]))[0] == "rejected: signature"


async def test_other_hosts_have_their_own_words(api: ApiServer, project: Json) -> None:
    app = await make(api, project, "https://git.example.com/group/demo", git_provider="gitlab")
    hook = await webhook(api, app)
    assert (hook["provider"], hook["active"]) == ("gitlab", False)
    assert "by hand" in hook["detail"]
    body = {
        "ref": "refs/heads/main",
        "before": "a" * 40,
        "after": "b" * 40,
        "project": {"path_with_namespace": "group/demo", "default_branch": "main"},
        "user_username": "ada",
    }
    headers = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Event-UUID": "1", "X-Gitlab-Token": hook["secret"]}
    async with httpx.AsyncClient() as client:
        url = hook["url"].replace("https://localhost", api.url)
        taken = await client.post(url, json=body, headers=headers)
        assert (await judged(api, taken))[0]["verdict"] == "deployed"
        assert (await client.post(url, json=body, headers={**headers, "X-Gitlab-Token": "no"})).status_code == 401
    assert (await deployments(api, app))[0]["commit"] == "b" * 40


async def test_what_github_does_not_take_is_said(api: ApiServer, project: Json, github: GitHubServer) -> None:
    app = await make(api, project, "eve/secret")

    async def has_failed() -> bool:
        return "needs to be an admin" in (await webhook(api, app))["detail"]

    await until(has_failed, "the webhook to say why not")
    image = (
        await api.client.post(f"/projects/{project['id']}/apps", json={"name": "i", "slug": ids.new("i").replace("_", "-")[:40]})
    ).json()
    assert (await api.client.get(f"/apps/{image['id']}/webhook")).json()["code"] == "source_not_available"


async def test_a_token_is_used_for_the_repository_that_its_user_chose_alone(
    api: ApiServer, world: World, project: Json, github: GitHubServer, repo: str
) -> None:
    email = f"{ids.new('u')}@example.com"
    user = (await api.client.post("/users", json={"email": email, "password": "long enough password"})).json()
    await api.client.put(f"/projects/{project['id']}/members/{user['id']}", json={"role": "maintainer"})
    token = (await api.as_token(None).post("/auth/login", json={"email": email, "password": "long enough password"})).json()["token"]
    github.add_repo(secret := f"ada/{ids.new('p')[-10:]}", {"a": "b"}, private=True)
    app = await make(api, project, repo)
    async with api.as_token(token) as member:
        (await member.put(f"/apps/{app['id']}", json={"git_repo_url": secret})).raise_for_status()
    await api.client.put(f"/apps/{app['id']}", json={"name": "touched by its owner"})
    await connect(api, github)
    (await api.client.post(f"/apps/{app['id']}/deploy")).raise_for_status()
    command = await world.command(app["id"])
    assert (command["url"], command["login"]) == (f"{github.address}/{secret}.git", "")
