"""Variables that apps share, references to them, and the import of a `.env` file."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from libs.common import ids
from libs.common.messages.api import Release
from libs.common.references import filled
from libs.common.secrets import MASK
from services.api.apps.models import AppRow
from services.api.apps.settings import merge_env
from services.api.projects import shared
from services.api.projects.models import ProjectRow
from tests.servers.api import ApiServer, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
Json = dict[str, Any]


@pytest.fixture
def own(project: Json) -> str:
    return f"/projects/{project['id']}/env"


async def make(api: ApiServer, project: Json, **fields: Any) -> Json:
    slug = f"e-{ids.new('s')[-12:]}"
    body = {"name": slug, "slug": slug, "image": "nginx:alpine", **fields}
    answer = await api.client.post(f"/projects/{project['id']}/apps", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def reference(name: str) -> str:
    return f"${{{{ shared.{name} }}}}"


async def bring_live(api: ApiServer, world: World, app: Json, path: str = "deploy") -> Release:
    """Deploy it, and return the release that the runtime was told."""
    answer = await api.client.post(f"/apps/{app['id']}/{path}")
    assert answer.status_code == 202, answer.text
    await world.command(app["id"])
    await world.bring_live(answer.json())
    number = answer.json()["number"]
    desired = await world.desired_where(app["id"], lambda it: it.current is not None and it.current.number == number)
    assert desired.current
    return desired.current


def env_of(api: ApiServer, release: Release) -> dict[str, str]:
    """As the runtime makes a container with it."""
    vault = api.core.vault
    shared = vault.open(release.shared, dict[str, str]) if release.shared else {}
    return filled(vault.open(release.env, dict[str, str]), shared)


async def test_a_shared_variable_goes_into_the_releases_that_refer_to_it(api: ApiServer, world: World, project: Json, own: str) -> None:
    set_to = await api.client.put(own, json={"DB_PASSWORD": "one", "HOST": "db"})
    assert set_to.json() == {"DB_PASSWORD": MASK, "HOST": MASK}
    assert (await api.client.get(own, params={"reveal": True})).json() == {"DB_PASSWORD": "one", "HOST": "db"}
    url = "postgres://u:${{ shared.DB_PASSWORD }}@${{ shared.HOST }}/x"
    app = await make(api, project, env={"DATABASE_URL": url, "OTHER": "x"})
    release = await bring_live(api, world, app)
    assert env_of(api, release) == {"DATABASE_URL": "postgres://u:one@db/x", "OTHER": "x"}
    assert (await api.client.get(f"/apps/{app['id']}/env", params={"reveal": True})).json()["DATABASE_URL"] == url

    await api.client.put(own, json={"UNUSED": "1"})
    assert not (await api.client.get(f"/apps/{app['id']}")).json()["pending_changes"]
    await api.client.put(own, json={"DB_PASSWORD": "two"})
    seen = (await api.client.get(f"/apps/{app['id']}")).json()
    assert (seen["pending_changes"], seen["pending_fields"]) == (True, ["env"])
    assert env_of(api, await bring_live(api, world, app))["DATABASE_URL"] == "postgres://u:two@db/x"
    assert not (await api.client.get(f"/apps/{app['id']}")).json()["pending_changes"]

    back = await bring_live(api, world, app, "rollback")
    assert env_of(api, back)["DATABASE_URL"] == "postgres://u:one@db/x", "a rollback brings the values of then"
    assert env_of(api, await bring_live(api, world, app))["DATABASE_URL"] == "postgres://u:two@db/x"


async def test_what_is_referred_to_must_be_there(api: ApiServer, project: Json, own: str) -> None:
    await api.client.put(own, json={"THERE": "1"})
    app = await make(api, project, env={"A": "${{ shared.THERE }}"})
    wrong = await api.client.put(f"/apps/{app['id']}/env", json={"B": "${{ shared.MISSING }}"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/env/B"), wrong.text
    assert "MISSING" in wrong.json()["detail"]
    assert "B" not in (await api.client.get(f"/apps/{app['id']}/env")).json(), "nothing of it was kept"
    taken = await api.client.put(own, json={"THERE": None})
    assert (taken.status_code, taken.json()["code"]) == (409, "shared_variable_in_use")
    assert app["slug"] in taken.json()["detail"]
    await api.client.put(f"/apps/{app['id']}/env", json={"A": None})
    assert "THERE" not in (await api.client.put(own, json={"THERE": None})).json()
    assert (await api.client.put(own, json={"A-B": "1"})).json()["code"] == "validation_failed"


async def test_a_reference_and_the_removal_of_what_it_refers_to_wait_for_each_other(api: ApiServer, project: Json, own: str) -> None:
    names = [f"RACE_{ids.new('s')[-8:].upper()}" for _ in range(2)]
    await api.client.put(own, json=dict.fromkeys(names, "1"))
    app = await make(api, project)

    async with api.core.db.begin() as tx:
        row = (await tx.session.execute(select(AppRow).where(AppRow.id == app["id"]).with_for_update())).scalar_one()
        merge_env(row, {"FIRST": reference(names[0])}, api.core.vault)
        await shared.note(tx, row)
        await tx.flush()
        removing = asyncio.create_task(api.client.put(own, json={names[0]: None}))
        await asyncio.wait({removing}, timeout=0.3)
    assert (await removing).json()["code"] == "shared_variable_in_use"

    async with api.core.db.begin() as tx:
        query = select(ProjectRow).where(ProjectRow.id == project["id"]).with_for_update()
        await shared.change(tx, (await tx.session.execute(query)).scalar_one(), {names[1]: None})
        await tx.flush()
        referring = asyncio.create_task(api.client.put(f"/apps/{app['id']}/env", json={"SECOND": reference(names[1])}))
        await asyncio.wait({referring}, timeout=0.3)
    assert (await referring).status_code == 400


async def test_what_a_project_shared_goes_with_it(api: ApiServer) -> None:
    project = (await api.client.post("/projects", json={"name": "short-lived"})).json()
    await api.client.put(f"/projects/{project['id']}/env", json={"DB_PASSWORD": "one"})
    assert (await api.client.delete(f"/projects/{project['id']}")).is_success
    async with api.core.db.connect() as connection:
        kept = (await connection.execute(select(ProjectRow.shared_env).where(ProjectRow.id == project["id"]))).scalar_one()
    assert kept is None


async def test_a_dotenv_file(api: ApiServer, app: Json) -> None:
    path = f"/apps/{app['id']}/env"
    await api.client.put(path, json={"OLD": "1", "B": "before"})
    text = '# a comment\nexport A=one\nB="two words" # more\nC=\'$A stays\'\nD="line\\nbreak"\nE=\n'
    answer = await api.client.post(f"{path}/import", json={"dotenv": text})
    assert answer.status_code == 200, answer.text
    shown = (await api.client.get(path, params={"reveal": True})).json()
    assert shown == {"A": "one", "B": "two words", "C": "$A stays", "D": "line\nbreak", "E": "", "OLD": "1"}
    await api.client.post(f"{path}/import", json={"dotenv": "A=2", "replace": True})
    assert (await api.client.get(path, params={"reveal": True})).json() == {"A": "2"}
    wrong = await api.client.post(f"{path}/import", json={"dotenv": "A=1\nno value\nB='open\n"})
    assert wrong.status_code == 400
    assert [each["detail"] for each in wrong.json()["errors"]] == ["line 2 is not NAME=value", "line 3 is not NAME=value"]
    many = await api.client.post(f"{path}/import", json={"dotenv": "A='x' y\n" * 40_000})
    assert (many.status_code, len(many.json()["errors"])) == (400, 20)
    marked = await api.client.post(f"{path}/import", json={"dotenv": "\ufeffA=3\r\nB=4\r\n"})
    assert marked.status_code == 200, marked.text
    assert (await api.client.get(path, params={"reveal": True})).json() == {"A": "3", "B": "4"}
    name = await api.client.post(f"{path}/import", json={"dotenv": "a.b=1"})
    assert (name.status_code, name.json()["code"]) == (400, "validation_failed")
