"""An app for each pull request, for as long as there is one."""

import time
from typing import Any

import pytest
from sqlalchemy import update

from services.api.previews.models import PreviewRow
from tests.integration.api.git.test_webhooks import active, connected, deliveries, deployments, judged, make, repo, verdicts
from tests.servers.api import ApiServer, World
from tests.servers.github import GitHubServer, until

__all__ = ["connected", "repo"]
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("connected")]
Json = dict[str, Any]


async def preview_of(api: ApiServer, app: Json, number: int) -> Json:
    await deliveries(api, app["id"])
    found: Json = (await api.client.get(f"/apps/{app['slug']}-pr-{number}")).raise_for_status().json()
    return found


async def test_from_opened_to_closed(api: ApiServer, world: World, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(
        api, project, repo, env={"STAGE": "live", "KEPT": "1"}, memory_limit=64, preview={"enabled": True, "env": {"STAGE": "preview"}}
    )
    assert app["preview"] == {"enabled": True, "ttl_hours": 72, "forks": False, "env_keys": ["STAGE"]}
    await active(api, app)
    await github.push(repo, {"a": "1"}, branch="work")
    opened = await github.pull_request(repo, 7, "opened", "work")
    assert (await judged(api, opened["answers"][0]))[0]["verdict"] == "deployed"
    preview = await preview_of(api, app, 7)
    assert (preview["git_branch"], preview["memory_limit"], preview["auto_deploy"]) == ("work", 64, False)
    env = (await api.client.get(f"/apps/{preview['id']}/env", params={"reveal": True})).json()
    assert env == {"KEPT": "1", "STAGE": "preview"}
    deployment = (await deployments(api, preview))[0]
    commit = opened["payload"]["pull_request"]["head"]["sha"]
    assert (deployment["trigger"], deployment["commit"], deployment["ref"]) == ("preview", commit, "work")
    assert (await world.command(preview["id"]))["login"], "the preview reads the repository as its app does"
    await world.bring_live(deployment)
    await until(
        lambda: any(preview["url"] in each["body"] and "is live" in each["body"] for each in github.comments.values()), "the comment"
    )
    await until(lambda: github.states(commit)[-1:] == ["success"], "the commit to be told")
    await github.push(repo, {"a": "2"}, branch="work")
    await api.client.put(f"/apps/{app['id']}", json={"env": {"KEPT": None, "NEW": "2"}})
    await github.pull_request(repo, 7, "synchronize", "work")
    await deliveries(api, app["id"])
    assert len(await deployments(api, preview)) == 2
    assert (await api.client.get(f"/apps/{preview['id']}/env", params={"reveal": True})).json() == {"NEW": "2", "STAGE": "preview"}
    closed = await github.pull_request(repo, 7, "closed", "work")
    assert (await judged(api, closed["answers"][0]))[0]["verdict"] == f"removed: the preview {preview['slug']}"
    await world.desired_where(preview["id"], lambda it: it.intent == "deleted")
    await world.removed(preview["id"])
    mine = [each for each in github.comments.values() if each["issue"] == 7 and each["repo"] == repo]
    await until(lambda: "was removed" in mine[0]["body"], "the comment to say that it is gone")
    assert len(mine) == 1

    async def is_gone() -> bool:
        return (await api.client.get(f"/apps/{preview['id']}")).status_code == 404

    await until(is_gone, "the preview to be gone")
    reopened = await github.pull_request(repo, 7, "reopened", "work")
    assert (await judged(api, reopened["answers"][0]))[0]["verdict"] == "deployed"
    assert (await preview_of(api, app, 7))["id"] != preview["id"]


async def test_forks_and_what_is_off(api: ApiServer, project: Json, github: GitHubServer, repo: str) -> None:
    app = await make(api, project, repo, preview={"enabled": True})
    await active(api, app)
    await github.push(repo, {"a": "1"}, branch="work")
    await github.pull_request(repo, 3, "opened", "work", head_repo="eve/demo")
    await deliveries(api, app["id"])
    await api.client.put(f"/apps/{app['id']}", json={"preview": {"forks": True}})
    await github.pull_request(repo, 3, "opened", "work", head_repo="eve/demo")
    await deliveries(api, app["id"])
    await api.client.put(f"/apps/{app['id']}", json={"preview": None})
    await github.pull_request(repo, 4, "opened", "work")
    await deliveries(api, app["id"])
    await github.pull_request(repo, 4, "closed", "work")
    assert (await verdicts(api, app))[:4] == [
        "ignored: pull request 4 has no preview",
        "ignored: previews are off",
        "deployed",
        "ignored: pull request 3 comes from a fork",
    ]
    preview = await preview_of(api, app, 3)
    assert (await deployments(api, preview))[0]["ref"] == "refs/pull/3/head"


async def test_it_counts_in_quotas_and_leaves_nothing_when_refused(api: ApiServer, github: GitHubServer, repo: str) -> None:
    project = (await api.client.post("/projects", json={"name": "small"})).json()
    (await api.client.put(f"/projects/{project['id']}", json={"quotas": {"apps": 1}})).raise_for_status()
    app = await make(api, project, repo, preview={"enabled": True})
    await active(api, app)
    await github.push(repo, {"a": "1"}, branch="work")
    await github.pull_request(repo, 5, "opened", "work")
    assert (await verdicts(api, app))[0].startswith("refused: The project uses 1 of the 1 apps")
    assert (await api.client.get(f"/apps/{app['slug']}-pr-5")).status_code == 404


async def test_it_goes_after_its_time_and_with_its_app(
    api: ApiServer, world: World, project: Json, github: GitHubServer, repo: str
) -> None:
    app = await make(api, project, repo, preview={"enabled": True, "ttl_hours": 1})
    await active(api, app)
    await github.push(repo, {"a": "1"}, branch="work")
    for number in (8, 9):
        await github.pull_request(repo, number, "opened", "work")
    old, young = await preview_of(api, app, 8), await preview_of(api, app, 9)
    async with api.core.db.begin() as tx:
        await tx.connection.execute(update(PreviewRow).where(PreviewRow.app_id == old["id"]).values(expires_at=time.time() - 1))
    await world.desired_where(old["id"], lambda it: it.intent == "deleted", seconds=15)
    await api.client.delete(f"/apps/{app['id']}")
    await world.desired_where(young["id"], lambda it: it.intent == "deleted", seconds=15)
    await until(lambda: any("time to live" in each["body"] for each in github.comments.values()), "the comment to say why")


async def test_settings_that_are_wrong(api: ApiServer, project: Json, github: GitHubServer) -> None:
    github.repos.setdefault("ada/any", {"full_name": "ada/any"})
    for preview, pointer in [
        ({"ttl_hours": 0}, "/preview/ttl_hours"),
        ({"env": {"1": "x"}}, "/preview/env/1"),
        ({"env_keys": ["A"]}, "/preview/env_keys"),
        ({"unknown": 1}, "/preview/unknown"),
    ]:
        body = {"name": "x", "git_repo_url": "ada/any", "preview": preview}
        answer = await api.client.post(f"/projects/{project['id']}/apps", json=body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
