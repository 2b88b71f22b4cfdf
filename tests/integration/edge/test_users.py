"""Users: who makes and changes them, and what never happens to the last admin."""

import httpx

from services.api.accounts.throttle import LOOKUPS
from services.api.settings import Settings
from tests.integration.edge.conftest import Api, changed, running

USERS = "/api/v1/users"


def code(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


async def test_a_password_is_made_and_shown_once(api: Api) -> None:
    user, _ = await api.member()
    assert len(user["password"]) == 20
    listed = (await api.as_admin.get(USERS)).json()["items"]
    assert {item["email"] for item in listed} == {"admin@localhost", "ada@example.com"}
    assert all("password" not in item for item in listed)


async def test_the_same_post_twice_makes_one_user(api: Api) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await api.as_admin.post(USERS, json={"email": "ada@example.com"}, headers=headers)
    again = await api.as_admin.post(USERS, json={"email": "ada@example.com"}, headers=headers)
    assert (again.status_code, again.json(), again.headers["idempotent-replay"]) == (201, first.json(), "true")
    other = await api.as_admin.post(USERS, json={"email": "bob@example.com"}, headers=headers)
    assert (other.status_code, code(other)) == (422, "idempotency_key_reused")
    assert code(await api.as_admin.post(USERS, json={"email": "ADA@example.com"})) == "email_taken"


async def test_the_last_admin_stays(api: Api) -> None:
    me = (await api.as_admin.get("/api/v1/auth/me")).json()
    for change in ({"role": "member"}, {"disabled": True}):
        assert code(await api.as_admin.put(f"{USERS}/{me['id']}", json=change)) == "last_admin"
    assert code(await api.as_admin.delete(f"{USERS}/{me['id']}")) == "conflict"
    user, _ = await api.member()
    await api.as_admin.put(f"{USERS}/{user['id']}", json={"role": "admin"})
    assert (await api.as_admin.put(f"{USERS}/{me['id']}", json={"role": "member"})).status_code == 200
    assert code(await api.as_admin.get(USERS)) == "forbidden"


async def test_read_edit_write(api: Api) -> None:
    user, _ = await api.member()
    read = next(item for item in (await api.as_admin.get(USERS)).json()["items"] if item["id"] == user["id"])
    written = await api.as_admin.put(f"{USERS}/{user['id']}", json={**read, "role": "admin"})
    assert written.json() == {**read, "role": "admin"}
    answer = await api.as_admin.put(f"{USERS}/{user['id']}", json={"email": "eve@example.com"})
    assert (code(answer), answer.json()["errors"][0]["pointer"]) == ("read_only_field", "/email")


async def test_a_new_password_by_an_admin_ends_sessions(api: Api) -> None:
    user, ada = await api.member()
    await api.as_admin.put(f"{USERS}/{user['id']}", json={"password": "set by the admin"})
    assert (await ada.get("/api/v1/auth/me")).status_code == 401
    await api.log_in(user["email"], "set by the admin")


async def test_a_removed_user_is_gone_with_keys(api: Api) -> None:
    user, ada = await api.member()
    key = await api.key(ada, "read")
    assert (await api.as_admin.delete(f"{USERS}/{user['id']}")).status_code == 204
    assert {(await client.get("/api/v1/auth/me")).status_code for client in (ada, key)} == {401}
    assert (await api.as_admin.delete(f"{USERS}/{user['id']}")).status_code == 404


async def test_pages_hold_everybody_once(api: Api) -> None:
    for number in range(5):
        await api.as_admin.post(USERS, json={"email": f"user{number}@example.com", "password": "a password"})
    emails: list[str] = []
    cursor = ""
    while True:
        page = (await api.as_admin.get(USERS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        emails += [item["email"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert emails == ["admin@localhost", *(f"user{number}@example.com" for number in range(5))]


async def test_users_are_for_admins(api: Api) -> None:
    _, ada = await api.member()
    for method, path in (("GET", USERS), ("POST", USERS), ("PUT", f"{USERS}/usr_x"), ("DELETE", f"{USERS}/usr_x")):
        answer = await ada.request(method, path, json={} if method != "GET" else None)
        assert (answer.status_code, code(answer)) == (403, "forbidden")


async def test_registration(settings: Settings) -> None:
    body = {"email": "eve@example.com", "password": "a password"}
    async with running(changed(settings, registration="closed")) as api:
        assert code(await api.as_nobody.post("/api/v1/auth/register", json=body)) == "registration_closed"
    async with running(settings) as api:
        made = await api.as_nobody.post("/api/v1/auth/register", json=body)
        assert (made.status_code, made.json()["role"]) == (201, "member")
        assert code(await api.as_nobody.post("/api/v1/auth/register", json=body)) == "email_taken"
        await api.log_in(body["email"], body["password"])


async def test_who_looks_up_many_emails_is_slowed_down(api: Api) -> None:
    _, ada = await api.member()
    project = (await ada.post("/api/v1/projects", json={"name": "Mine"})).json()["id"]
    members, body = f"/api/v1/projects/{project}/members", {"role": "viewer"}
    answers = [await ada.put(f"{members}/nobody{n}@example.com", json=body) for n in range(LOOKUPS + 1)]
    assert [code(answer) for answer in answers] == ["not_found"] * LOOKUPS + ["rate_limited"]
    assert answers[-1].headers["ratelimit-policy"] == f'"lookup";q={LOOKUPS};w=60'
    assert code(await ada.put(f"{members}/admin@localhost", json=body)) == "rate_limited", "nor does one hear of those who are there"
    me = (await api.as_admin.get("/api/v1/auth/me")).json()["id"]
    assert (await ada.put(f"{members}/{me}", json=body)).status_code == 200, "an id tells nothing"
    assert code(await api.as_admin.put(f"{members}/nobody@example.com", json=body)) == "not_found", "an admin sees all users anyway"
    told = (await api.as_admin.get("/api/v1/audit?limit=200")).json()["items"]
    unknown = [line for line in told if line["action"] == "project.member_unknown"]
    assert len(unknown) == LOOKUPS + 1
    assert {line["outcome"] for line in unknown} == {"refused"}
