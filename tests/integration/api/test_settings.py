"""Every field has a grammar and a range, and the refusal names the field."""

from typing import Any

import pytest

from services.api.apps.grammar import machine
from tests.servers.api import ApiServer

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
    ({"release_command": "migrate"}, "validation_failed", "/release_command"),
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


async def test_etags(api: ApiServer, app: dict[str, Any]) -> None:
    tag = (await api.client.get(f"/apps/{app['id']}")).headers["etag"]
    first = await api.client.put(f"/apps/{app['id']}", json={"name": "One"}, headers={"If-Match": tag})
    assert first.status_code == 200
    assert first.headers["etag"] != tag
    second = await api.client.put(f"/apps/{app['id']}", json={"name": "Two"}, headers={"If-Match": tag})
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    any_tag = await api.client.put(f"/apps/{app['id']}", json={"name": "Two"}, headers={"If-Match": f'"x", {first.headers["etag"]}'})
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
