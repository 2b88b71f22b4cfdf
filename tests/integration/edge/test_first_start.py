"""The first start: an admin, and a file that says how to come in."""

import stat
from pathlib import Path

from services.api.settings import Settings
from tests.integration.edge.conftest import changed, running

ME = "/api/v1/auth/me"


async def test_the_file_lets_in_by_password_and_by_key(empty: Settings) -> None:
    async with running(changed(empty, admin_password="")) as api:
        path = Path(empty.home) / "credentials.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert api.credentials.keys() == {"url", "email", "password", "api_key"}
        assert api.credentials["url"] == "https://localhost"
        assert (await api.as_admin.get(ME)).json()["scopes"][-1] == "admin"
        assert (await (await api.log_in()).get(ME)).json()["role"] == "admin"


async def test_email_and_password_may_be_given(empty: Settings) -> None:
    async with running(changed(empty, admin_email="root@example.com", admin_password="given by hand")) as api:
        await api.log_in("root@example.com", "given by hand")


async def test_a_second_start_changes_nothing_but_the_address(empty: Settings) -> None:
    async with running(empty) as api:
        before = api.credentials
    async with running(changed(empty, https_port=8443, admin_password="ignored now")) as api:
        assert api.credentials == {**before, "url": "https://localhost:8443"}
        assert (await api.as_admin.get(ME)).status_code == 200


async def test_a_lost_file_comes_back_with_a_new_key(empty: Settings) -> None:
    async with running(empty) as api:
        before = api.credentials
    (Path(empty.home) / "credentials.json").unlink()
    async with running(empty) as api:
        assert api.credentials["email"] == before["email"]
        assert api.credentials["password"] is None
        assert (await api.as_admin.get(ME)).status_code == 200
        assert (await api.client(before["api_key"]).get(ME)).status_code == 200


async def test_a_deleted_key_stays_deleted(empty: Settings) -> None:
    async with running(empty) as api:
        me = (await api.as_admin.get(ME)).json()
        assert (await api.as_admin.delete(f"/api/v1/api-keys/{me['key_id']}")).status_code == 204
    async with running(empty) as api:
        assert (await api.as_admin.get(ME)).status_code == 401
