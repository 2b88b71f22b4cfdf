"""Apps that are built from a repository, as the builder and people see them."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common import clock, ids
from libs.common.messages.builder import DockerfileWritten, SourceFetched
from libs.supervisor.home import Home, Ports
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMIT = "3f" * 20


async def make(api: ApiServer, project: dict[str, Any], **fields: Any) -> dict[str, Any]:
    slug = f"src-{ids.new('s')[-12:]}"
    body = {"name": "source", "slug": slug, "git_repo_url": "owner/repo", **fields}
    answer = await api.client.post(f"/projects/{project['id']}/apps", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def deploy(api: ApiServer, app: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await api.client.post(f"/apps/{app['id']}/deploy", json=body)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def fetched(world: World, deployment: dict[str, Any], ref: str | None = "main") -> None:
    event = SourceFetched(
        event_id=f"{deployment['id']}.prepare.source",
        at=clock.now(),
        app_id=deployment["app_id"],
        deployment_id=deployment["id"],
        commit=COMMIT,
        subject="Add the page",
        author="Ada <ada@example.com>",
        ref=ref,
    )
    await world.builder.say(event, deployment["app_id"])


async def wrote(world: World, deployment: dict[str, Any]) -> None:
    event = DockerfileWritten(
        event_id=f"{deployment['id']}.prepare.dockerfile",
        at=clock.now(),
        app_id=deployment["app_id"],
        deployment_id=deployment["id"],
        kind="python",
        reason="requirements.txt",
        dockerfile="FROM python\n",
    )
    await world.builder.say(event, deployment["app_id"])


async def read(api: ApiServer, app: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"/apps/{app['id']}")).json()
    return found


async def live(api: ApiServer, world: World, deployment: dict[str, Any]) -> dict[str, Any]:
    await world.command(deployment["app_id"])
    await world.bring_live(deployment)
    await world.desired_where(deployment["app_id"], lambda it: it.current and it.current.deployment_id == deployment["id"])
    found: dict[str, Any] = (await api.client.get(f"/deployments/{deployment['id']}")).json()
    return found


async def test_what_the_builder_is_told(api: ApiServer, world: World, project: dict[str, Any]) -> None:
    app = await make(
        api,
        project,
        git_repo_url="https://github.com/owner/repo.git",
        git_branch="main",
        root_directory="./web/",
        dockerfile_path="docker/Dockerfile",
        watch_paths=["web/**"],
        env={"NPM_TOKEN": "t0ken"},
        env_secret=["PLAIN"],
        build={"args": {"MODE": "production"}, "secrets": ["NPM_TOKEN"], "submodules": True},
    )
    assert (app["git_provider"], app["git_repo_url"], app["root_directory"], app["auto_deploy"]) == ("github", "owner/repo", "web", True)
    deployment = await deploy(api, app)
    assert (deployment["source"], deployment["trigger"], deployment["ref"]) == ("git", "api", "main")
    command = await world.command(app["id"])
    env = command.pop("env")
    assert api.core.vault.open(env, dict[str, str]) == {"NPM_TOKEN": "t0ken"}
    assert command == {
        "command_id": f"{deployment['id']}.prepare",
        "app_id": app["id"],
        "deployment_id": deployment["id"],
        "release": 1,
        "url": "https://github.com/owner/repo.git",
        "ref": "main",
        "commit": None,
        "login": "",
        "root_directory": "web",
        "dockerfile_path": "docker/Dockerfile",
        "builder": "auto",
        "args": {"MODE": "production"},
        "secrets": ["NPM_TOKEN"],
        "shared": "",
        "env_secret": ["PLAIN"],
        "submodules": True,
        "lfs": False,
        "registries": "",
        "v": 1,
    }


async def test_a_commit_goes_live(api: ApiServer, world: World, project: dict[str, Any]) -> None:
    app = await make(api, project, git_branch="main")
    deployment = await deploy(api, app)
    await world.image_started(deployment)
    await fetched(world, deployment)
    await wrote(world, deployment)
    shown = await live(api, world, deployment)
    assert (shown["commit"], shown["commit_message"], shown["ref"], shown["status"]) == (COMMIT, "Add the page", "main", "live")
    after = await read(api, app)
    assert (after["image"], after["pending_changes"]) == (f"dockup/{app['id']}:r1", False)
    types = [event["type"] for event in (await api.client.get(f"/apps/{app['id']}/events")).json()["items"]]
    assert [kind for kind in types if kind in {"deployment.source", "deployment.dockerfile"}] == [
        "deployment.source",
        "deployment.dockerfile",
    ]


async def test_what_is_built_waits_for_the_next_deploy(api: ApiServer, world: World, project: dict[str, Any]) -> None:
    app = await make(api, project)
    await live(api, world, await deploy(api, app))
    for change, fields in (
        ({"git_branch": "next"}, ["git_branch"]),
        ({"root_directory": "web", "build": {"lfs": True}}, ["git_branch", "root_directory", "build"]),
        ({"git_branch": None, "root_directory": None, "build": None}, []),
        ({"watch_paths": ["web"], "auto_deploy": False}, []),
        ({"git_repo_url": "owner/other"}, ["git_repo_url"]),
        ({"git_repo_url": "https://gitlab.com/group/sub/repo"}, ["git_repo_url"]),
    ):
        changed = (await api.client.put(f"/apps/{app['id']}", json=change)).json()
        assert (changed["pending_fields"], changed["pending_changes"]) == (fields, bool(fields)), change
    assert changed["git_provider"] == "gitlab"
    whole = await read(api, app)
    again = await api.client.put(f"/apps/{app['id']}", json={**whole, "name": "Renamed"})
    assert (again.status_code, again.json()["pending_fields"]) == (200, ["git_repo_url"])


async def test_a_ref_for_this_once(api: ApiServer, world: World, project: dict[str, Any]) -> None:
    app = await make(api, project, git_branch="main")
    deployment = (await api.client.post(f"/deploy/{app['slug']}", json={"ref": "v1.2"})).json()
    assert deployment["ref"] == "v1.2"
    assert (await world.command(app["id"]))["ref"] == "v1.2"
    second = await deploy(api, app)
    assert (second["ref"], (await world.command(app["id"]))["ref"]) == ("main", "main")
    for body, code, pointer in (
        ({"ref": "--upload-pack=x"}, "validation_failed", "/ref"),
        ({"ref": "a..b"}, "validation_failed", "/ref"),
        ({"ref": "main", "image": "nginx"}, "image_with_git", "/ref"),
        ({"image": "nginx"}, "image_with_git", "/git_repo_url"),
    ):
        answer = await api.client.post(f"/apps/{app['id']}/deploy", json=body)
        assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (400, code, pointer), answer.text


async def test_back_to_a_commit_that_was_live(api: ApiServer, world: World, project: dict[str, Any]) -> None:
    app = await make(api, project, git_branch="main")
    first = await deploy(api, app)
    await fetched(world, first)
    await live(api, world, first)
    await api.client.put(f"/apps/{app['id']}", json={"git_branch": "next", "build": {"args": {"A": "1"}}})
    await live(api, world, await deploy(api, app))
    back = (await api.client.post(f"/apps/{app['id']}/rollback", json={"deployment_id": first["id"]})).json()
    assert (back["trigger"], back["source"], back["commit"], back["ref"]) == ("rollback", "git", COMMIT, "main")
    command = await world.command(app["id"])
    assert command["reference"] == f"dockup/{app['id']}:r1"
    await world.bring_live(back)
    await world.desired_where(app["id"], lambda it: it.current and it.current.deployment_id == back["id"])
    after = await read(api, app)
    assert (after["git_branch"], after["build"]["args"], after["pending_fields"]) == ("main", {}, [])
    assert after["image"] == f"dockup/{app['id']}:r1"
    await deploy(api, app)
    assert (await world.command(app["id"]))["ref"] == "main"


async def test_from_an_image_to_a_repository_and_back(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    path = f"/apps/{app['id']}"
    await live(api, world, await deploy(api, app))
    refused = await api.client.put(path, json={"git_repo_url": "owner/repo", "image": app["image"]})
    assert refused.json()["code"] == "image_with_git"
    changed = (await api.client.put(path, json={"git_repo_url": "owner/repo"})).json()
    assert (changed["image"], changed["pending_fields"]) == (app["image"], ["git_repo_url"])
    await live(api, world, await deploy(api, app))
    built = await read(api, app)
    assert (built["image"], built["pending_fields"]) == (f"dockup/{app['id']}:r2", [])
    assert (await api.client.put(path, json={"image": "nginx:1"})).json()["code"] == "image_with_git"
    away = (await api.client.put(path, json={"git_repo_url": None, "image": "nginx:1"})).json()
    assert (away["git_provider"], away["git_repo_url"], away["pending_fields"]) == (None, None, ["image"])
    assert (await deploy(api, app))["source"] == "image"


async def test_one_call_from_nothing(api: ApiServer, world: World) -> None:
    slug = f"src-{ids.new('s')[-12:]}"
    body = {"create": True, "project": "From source", "git_repo_url": "https://git.example.com/a/b.git", "ref": "v1"}
    answer = await api.client.post(f"/deploy/{slug}?dry_run=true", json=body)
    assert answer.json()["plan"][0] == {
        "action": "build_image",
        "detail": f"Fetch v1 of https://git.example.com/a/b.git and build it as {answer.json()['plan'][0]['detail'].split()[-1]}",
    }
    deployment = (await api.client.post(f"/deploy/{slug}", json=body)).json()
    command = await world.command(deployment["app_id"])
    assert (command["url"], command["ref"]) == ("https://git.example.com/a/b.git", "v1")
    assert (await api.client.get(f"/apps/{slug}")).json()["git_provider"] == "git"


async def test_eject_gives_the_dockerfile(api: ApiServer, world: World, project: dict[str, Any], tmp_path: Path) -> None:
    app = await make(api, project)
    env = _cli(api, tmp_path)
    status, said = await _run(env, "eject", app["slug"])
    assert (status, "No Dockerfile was written" in said) == (1, True)
    deployment = await deploy(api, app)
    await world.image_started(deployment)
    await wrote(world, deployment)
    async with asyncio.timeout(10):
        while (await api.client.get(f"/deployments/{deployment['id']}/dockerfile")).status_code != 200:
            await asyncio.sleep(0.02)
    await deploy(api, app)
    assert await _run(env, "eject", app["slug"]) == (0, "FROM python\n")
    file = tmp_path / "Dockerfile"
    assert (await _run(env, "eject", app["slug"], "-o", str(file)))[0] == 0
    assert file.read_text(encoding="utf-8") == "FROM python\n"
    assert "cannot be written" in (await _run(env, "eject", app["slug"], "-o", str(file)))[1]
    assert "not_found" in (await _run(env, "eject", "nobody-has-this"))[1]


def _cli(api: ApiServer, folder: Path) -> dict[str, str]:
    """The environment of a command line whose Dockup is this API."""
    home = Home(folder / "home")
    home.prepare()
    port = int(api.url.rpartition(":")[2])
    home.keep(msgspec.structs.replace(home.load(), ports=Ports(http=1, https=2, api=port, nats=3)))
    token = api.client.headers["Authorization"].removeprefix("Bearer ")
    return {**os.environ, "DOCKUP_HOME": str(home.root), "DOCKUP_TOKEN": token}


async def _run(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit status of the command line, and what it said."""
    words = (sys.executable, "-P", "-m", "libs.cli", *arguments)
    process = await asyncio.create_subprocess_exec(*words, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
