"""Every field has a grammar and a range, and the refusal names the field."""

from typing import Any

import pytest

from services.api.apps.grammar import machine
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CORES, MEGABYTES = machine()
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "validation_failed", "/name"),
    ({"name": "a\u0007b"}, "validation_failed", "/name"),
    ({"name": None}, "validation_failed", "/name"),
    ({"image": "library/UPPER"}, "validation_failed", "/image"),
    ({"image": "nginx:alpine; rm -rf /"}, "validation_failed", "/image"),
    ({"image": "-nginx"}, "validation_failed", "/image"),
    ({"internal_port": 0}, "validation_failed", "/internal_port"),
    ({"internal_port": 65536}, "validation_failed", "/internal_port"),
    ({"internal_port": "80"}, "validation_failed", "/internal_port"),
    ({"internal_port": True}, "validation_failed", "/internal_port"),
    ({"command": []}, "validation_failed", "/command"),
    ({"command": "sh -c 'open"}, "validation_failed", "/command"),
    ({"command": [1]}, "validation_failed", "/command/0"),
    ({"env": {"1A": "x"}}, "validation_failed", "/env"),
    ({"env": {"A": 1}}, "validation_failed", "/env"),
    ({"env": {"A": "••••••••"}}, "masked_value", "/env/A"),
    ({"env": {f"A{i}": "x" * 32_000 for i in range(9)}}, "validation_failed", "/env"),
    ({"cpu_limit": 0.01}, "validation_failed", "/cpu_limit"),
    ({"cpu_limit": CORES + 1}, "validation_failed", "/cpu_limit"),
    ({"memory_limit": 15}, "validation_failed", "/memory_limit"),
    ({"memory_limit": MEGABYTES + 1}, "validation_failed", "/memory_limit"),
    ({"memory_limit": 64.5}, "validation_failed", "/memory_limit"),
    ({"replicas": 0}, "validation_failed", "/replicas"),
    ({"replicas": 1000}, "validation_failed", "/replicas"),
    ({"health_check": {"type": "exec"}}, "validation_failed", "/health_check/type"),
    ({"health_check": {"type": "http", "path": "no-slash"}}, "validation_failed", "/health_check/path"),
    ({"health_check": {"type": "tcp", "path": "/x"}}, "validation_failed", "/health_check/path"),
    ({"health_check": {"retries": 3}}, "unknown_field", "/health_check/retries"),
    ({"env_secret": ["1A"]}, "validation_failed", "/env_secret/0"),
    ({"env_secret": "A"}, "validation_failed", "/env_secret"),
    ({"drain_seconds": -1}, "validation_failed", "/drain_seconds"),
    ({"nmae": "x"}, "unknown_field", "/nmae"),
    ({"id": "app_other"}, "read_only_field", "/id"),
    ({"slug": "other"}, "read_only_field", "/slug"),
    ({"status": "paused"}, "read_only_field", "/status"),
    ({"cpu_usage": 99.0}, "read_only_field", "/cpu_usage"),
    ({"git_repo_url": "owner/repo", "image": "nginx"}, "image_with_git", "/git_repo_url"),
    ({"git_repo_url": "git@github.com:owner/repo.git"}, "validation_failed", "/git_repo_url"),
    ({"git_repo_url": "https://me:secret@github.com/owner/repo"}, "validation_failed", "/git_repo_url"),
    ({"git_repo_url": "file:///etc"}, "validation_failed", "/git_repo_url"),
    ({"git_provider": "gitlab"}, "validation_failed", "/git_provider"),
    ({"git_provider": "svn", "git_repo_url": "owner/repo"}, "validation_failed", "/git_provider"),
    ({"git_branch": "-f"}, "validation_failed", "/git_branch"),
    ({"git_branch": "a..b"}, "validation_failed", "/git_branch"),
    ({"root_directory": "../up"}, "validation_failed", "/root_directory"),
    ({"dockerfile_path": "/etc/passwd"}, "validation_failed", "/dockerfile_path"),
    ({"watch_paths": ["web", "-x"]}, "validation_failed", "/watch_paths/1"),
    ({"build": {"args": {"1A": "x"}}}, "validation_failed", "/build/args/1A"),
    ({"build": {"args": {"BUILDKIT_SYNTAX": "evil/frontend"}}}, "validation_failed", "/build/args/BUILDKIT_SYNTAX"),
    ({"build": {"secrets": ["a b"]}}, "validation_failed", "/build/secrets/0"),
    ({"build": {"builder": "make"}}, "validation_failed", "/build/builder"),
    ({"build": {"cache": True}}, "unknown_field", "/build/cache"),
    ({"auto_deploy": "yes"}, "validation_failed", "/auto_deploy"),
    ({"release_command": "migrate 'now"}, "validation_failed", "/release_command"),
    ({"processes": {"web": {"command": "serve"}}}, "validation_failed", "/processes/web"),
    ({"processes": {"release": {"command": "migrate"}}}, "validation_failed", "/processes/release"),
    ({"processes": {"run": {"command": "x"}}}, "validation_failed", "/processes/run"),
    ({"processes": {"worker": {"replicas": 2}}}, "validation_failed", "/processes/worker/command"),
    ({"processes": {"worker": {"command": None}}}, "validation_failed", "/processes/worker/command"),
    ({"processes": {"worker": {"command": "say 'it"}}}, "validation_failed", "/processes/worker/command"),
    ({"processes": {"worker": {"command": "x", "replicas": 33}}}, "validation_failed", "/processes/worker/replicas"),
    ({"processes": {"worker": {"command": "x", "cpu_limit": 4096}}}, "validation_failed", "/processes/worker/cpu_limit"),
    ({"processes": {"worker": {"command": "x", "memory_limit": 1 << 40}}}, "validation_failed", "/processes/worker/memory_limit"),
    ({"processes": {"worker": {"command": "x", "port": 80}}}, "unknown_field", "/processes/worker/port"),
    ({"processes": {f"p{number}": {"command": "x"} for number in range(11)}}, "validation_failed", "/processes"),
    ({"processes": {f"p{number}": {"command": ["x" * 8000]} for number in range(3)}}, "validation_failed", "/processes"),
]


@pytest.mark.parametrize(("body", "code", "pointer"), WRONG, ids=lambda value: str(value)[:40])
async def test_a_wrong_value_is_named(api: ApiServer, app: dict[str, Any], body: dict[str, Any], code: str, pointer: str) -> None:
    answer = await api.client.put(f"/apps/{app['id']}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]] or pointer == "/env", answer.text
    assert (await api.client.get(f"/apps/{app['id']}")).json() == app


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a" * 49, "xn--a", "a.b", "ä"])
async def test_wrong_slugs(api: ApiServer, project: dict[str, Any], slug: str) -> None:
    answer = await api.client.post(f"/projects/{project['id']}/apps", json={"name": "x", "slug": slug})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert answer.json()["errors"][0]["pointer"] == "/slug"


@pytest.mark.parametrize(
    "image",
    ["nginx", "nginx:alpine", "library/nginx", "localhost:5000/a/b:1", "ghcr.io/o/p@sha256:" + "a" * 64, "a__b/c--d.e:T_1.x-y"],
)
async def test_images(api: ApiServer, app: dict[str, Any], image: str) -> None:
    answer = await api.client.put(f"/apps/{app['id']}", json={"image": image})
    assert (answer.status_code, answer.json()["image"]) == (200, image)


async def test_read_edit_write(api: ApiServer, live: dict[str, Any]) -> None:
    whole = (await api.client.get(f"/apps/{live['id']}")).json()
    # What moves by itself may have moved on since it was read.
    answer = await api.client.put(f"/apps/{live['id']}", json={**whole, "cpu_usage": 3.5, "name": "Renamed"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "Renamed"
    assert answer.json()["pending_changes"] is False
    cleared = await api.client.put(f"/apps/{live['id']}", json={"image": None, "cpu_limit": None})
    assert cleared.json()["image"] is None
    assert cleared.json()["pending_changes"] is True


@pytest.mark.parametrize("where", ["/apps/{app}", "/apps/{app}/env", "/projects/{project}", "/projects/{project}/env"])
async def test_etags(api: ApiServer, app: dict[str, Any], where: str) -> None:
    """Of what two people saw and change, the second is told."""
    path, name = where.format(app=app["id"], project=app["project_id"]), "NAME" if where.endswith("env") else "name"
    tag = (await api.client.get(path)).headers["etag"]
    first = await api.client.put(path, json={name: "One"}, headers={"If-Match": tag})
    assert first.status_code == 200
    assert first.headers["etag"] != tag
    assert (await api.client.get(path)).headers["etag"] == first.headers["etag"]
    second = await api.client.put(path, json={name: "Two"}, headers={"If-Match": tag})
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    any_tag = await api.client.put(path, json={name: "Two"}, headers={"If-Match": f'"x", {first.headers["etag"]}'})
    assert any_tag.status_code == 200


async def test_env(api: ApiServer, app: dict[str, Any]) -> None:
    path = f"/apps/{app['slug']}/env"
    assert (await api.client.put(path, json={"TOKEN": "s3cret", "MODE": "x"})).json() == {"MODE": "••••••••", "TOKEN": "••••••••"}
    assert (await api.client.get(path)).json() == {"MODE": "••••••••", "TOKEN": "••••••••"}
    assert (await api.client.get(f"{path}?reveal=true")).json() == {"MODE": "x", "TOKEN": "s3cret"}
    assert (await api.client.put(path, json={"MODE": None, "EMPTY": ""})).status_code == 200
    assert (await api.client.get(f"{path}?reveal=true")).json() == {"EMPTY": "", "TOKEN": "s3cret"}
    assert (await api.client.put(path, json={"TOKEN": "••••••••"})).json()["code"] == "masked_value"
    assert (await api.client.put(path, json={"no spaces": "x"})).status_code == 400
    deployed = await api.client.put(f"{path}?deploy=true", json={"MODE": "y"})
    assert deployed.headers["location"].startswith("/api/v1/deployments/dep_")
    assert (await api.client.get(f"/apps/{app['id']}")).json()["env_keys"] == ["EMPTY", "MODE", "TOKEN"]


async def test_names_marked_secret_wait_for_the_next_deploy(api: ApiServer, live: dict[str, Any]) -> None:
    path = f"/apps/{live['id']}"
    marked = (await api.client.put(path, json={"env_secret": ["URL", "A", "URL"]})).json()
    assert (marked["env_secret"], marked["pending_fields"]) == (["A", "URL"], ["env_secret"])
    assert (await api.client.put(path, json={"env_secret": []})).json()["pending_fields"] == []


async def test_dry_runs(api: ApiServer, project: dict[str, Any], live: dict[str, Any]) -> None:
    create = await api.client.post(f"/projects/{project['id']}/apps?dry_run=true", json={"name": "x", "slug": "dry-run-only"})
    assert [step["action"] for step in create.json()["plan"]] == ["create_app", "reserve_host"]
    assert create.json()["warnings"]
    assert (await api.client.get("/apps/dry-run-only")).status_code == 404
    update = await api.client.put(f"/apps/{live['id']}?dry_run=true", json={"replicas": 4, "internal_port": 81})
    assert [step["action"] for step in update.json()["plan"]] == ["change_setting", "change_setting", "apply_live", "keep_pending"]
    assert (await api.client.get(f"/apps/{live['id']}")).json()["replicas"] == 1
    taken = await api.client.post(f"/projects/{project['id']}/apps?dry_run=true", json={"name": "x", "slug": live["slug"]})
    assert taken.json()["code"] == "slug_taken"


async def test_processes_are_merged_by_name(api: ApiServer, app: dict[str, Any]) -> None:
    path = f"/apps/{app['id']}"
    limits = {"cpu_limit": 0.5, "memory_limit": 64}
    made = (await api.client.put(path, json={**limits, "processes": {"worker": {"command": "work 'all day'"}}})).json()
    worker = {"command": ["work", "all day"], "replicas": 1, **limits}
    assert made["processes"] == {"worker": worker}, "the app's own limits at first"

    both = {"worker": {"replicas": 3, "memory_limit": None}, "clock": {"command": ["tick"], "replicas": 0}}
    merged = (await api.client.put(path, json={"processes": both})).json()
    assert merged["processes"]["worker"] == {**worker, "replicas": 3, "memory_limit": None}
    assert merged["processes"]["clock"] == {"command": ["tick"], "replicas": 0, **limits}
    again = await api.client.put(path, json=merged)
    assert (again.status_code, again.json()["processes"]) == (200, merged["processes"])

    one = (await api.client.put(path, json={"processes": {"worker": None, "never": None}})).json()
    assert list(one["processes"]) == ["clock"]
    assert (await api.client.put(path, json={"processes": None})).json()["processes"] == {}


async def test_a_procfile_brings_processes_and_what_is_set_wins(api: ApiServer, world: World, app: dict[str, Any]) -> None:
    path = f"/apps/{app['id']}"
    await api.client.put(path, json={"memory_limit": 64, "processes": {"clock": {"command": ["tick"], "replicas": 2}}})
    deployment = (await api.client.post(f"{path}/deploy", json={"image": "nginx:alpine"})).json()
    said = {"worker": ("work",), "clock": ("never",), "release": ("migrate",)}
    await world.image_ready(deployment, procfile=said)
    told = await world.desired_where(app["id"], lambda wish: wish.candidate is not None)
    assert told.candidate is not None
    assert told.candidate.processes == {"clock": ("tick",), "worker": ("work",)}
    assert told.candidate.release_command == ("migrate",)
    assert {name: size.replicas for name, size in told.processes.items()} == {"clock": 2, "worker": 1}
    assert told.processes["worker"].limits.memory == 64
