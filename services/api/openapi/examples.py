"""One example of every body and answer. They are instances, so an example that no longer fits its type does not get past mypy."""

from typing import Any

from libs.common.version import VERSION
from services.api.accounts.schemas import (
    CreatedUser,
    LoggedIn,
    Login,
    Me,
    NewUser,
    PasswordChange,
    Registration,
    Session,
    SessionPage,
    User,
    UserPage,
    UserUpdate,
)
from services.api.api_keys.schemas import ApiKey, ApiKeyPage, NewApiKey, ReadableKey
from services.api.audit.schemas import AuditEntry, AuditPage
from services.api.disks.levels import Level
from services.api.http.catalogue import CATALOGUE
from services.api.openapi import codex_examples, domain_examples, git_examples, notification_examples, run_examples, state_examples
from services.api.recovery.differences import Difference
from services.api.recovery.schemas import Recovered, Recovery, RecoveryBody
from services.api.secrets.schemas import KeyUse, Rotated, Secrets
from services.api.system.schemas import CodePage, Component, Components, DiskStatus, Status

_AT = "2026-01-31T09:30:00.000Z"
_LATER = "2026-01-31T21:30:00.000Z"
_USER_ID = "usr_019c13f1d3a07c5e9d3a6c0b5f1e2d3c"
_KEY_ID = "key_019c13f1d3a17b0c8e4f5a6b7c8d9e0f"
_KEY = "dkp_Zk3vQ8rT1yW5bN7mX2cL9pJ4hG6fD0sA_eRuIoPzXcV"

_user = User(id=_USER_ID, email="ada@example.com", role="member", disabled=False, created_at=_AT)
_key = ApiKey(id=_KEY_ID, name="ci", scopes=["deploy"], project_id=None, expires_at=None, created_at=_AT)
_ok = Component(status="ok", instances=1, latency_ms=0.8)

_difference = Difference(
    app_id="app_019c13f1d3a37a8b9cadbecfd0e1f203",
    slug="demo",
    kind="newer",
    database_release=3,
    database_revision=9,
    found_release=5,
    found_revision=14,
)

_session = Session(
    id="ses_019c13f1d3a07c5e9d3a6c0b5f1e2d3c", created_at=_AT, expires_at=_LATER, address="192.0.2.7", agent="curl/8.5.0", current=True
)
_audit = AuditEntry(
    id="aud_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
    at=_AT,
    action="app.deleting",
    outcome="done",
    target="app_019c13f1d3a37a8b9cadbecfd0e1f203",
    project_id="prj_019c13f1d3a27d4e8f5061728394a5b6",
    user_id=_USER_ID,
    actor="key:ci",
    key_id=_KEY_ID,
    session_id=None,
    address="192.0.2.7",
    request_id="req_019c13f1d3a27d4e8f5061728394a5b6",
    detail=None,
)

_INSTANCES: tuple[Any, ...] = (
    Recovery(needed=True, since=_AT, reason="The bus knows 1 apps better than the database (demo).", apps=[_difference]),
    RecoveryBody(mode="adopt"),
    Recovered(mode="adopt", apps=[_difference]),
    Secrets(keys=[KeyUse(id="6f1b0c2d9e83", values=41), KeyUse(id="a40d5be1c7f2", values=0)], unreadable=0),
    Rotated(values=41),
    _session,
    SessionPage(items=[_session]),
    _audit,
    AuditPage(items=[_audit], next_cursor=_audit.id),
    _user,
    CreatedUser(id=_USER_ID, email="ada@example.com", role="member", disabled=False, created_at=_AT, password="q7Zk3vQ8rT1yW5bN7mX2"),  # noqa: S106 - an example
    UserPage(items=[_user]),
    Login(email="admin@localhost", password="the password in credentials.json"),  # noqa: S106 - an example
    LoggedIn(token="eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJzZXMifQ.c2ln", token_type="Bearer", expires_at=_LATER, user=_user),  # noqa: S106 - an example
    Me(
        id=_USER_ID,
        email="ada@example.com",
        role="member",
        disabled=False,
        created_at=_AT,
        scopes=["read", "deploy", "write"],
        key_id=None,
        project_id=None,
    ),
    PasswordChange(current_password="the old one", new_password="a longer new one"),  # noqa: S106 - an example
    Registration(email="ada@example.com", password="a long password"),  # noqa: S106 - an example
    NewUser(email="ada@example.com", role="member"),
    UserUpdate(role="admin"),
    _key,
    ApiKeyPage(items=[_key]),
    NewApiKey(name="ci", scopes=["deploy"]),
    ReadableKey(id=_KEY_ID, name="ci", scopes=["deploy"], project_id=None, expires_at=None, created_at=_AT, key=_KEY),
    CATALOGUE["slug_taken"],
    CodePage(items=[CATALOGUE["slug_taken"]]),
    Status(
        name="dockup",
        status="ok",
        version=VERSION,
        base_domain="localhost",
        url="https://localhost",
        time=_AT,
        components=Components(api=_ok, bus=_ok, database=_ok, cache=_ok, engine=_ok, builder=_ok, runtime=_ok, metrics=_ok, router=_ok),
        disks=[DiskStatus(places=["state", "engine"], status=Level.OK, used_percent=41.5, free_bytes=48_318_382_080)],
    ),
    *state_examples.INSTANCES,
    *git_examples.INSTANCES,
    *domain_examples.INSTANCES,
    *codex_examples.INSTANCES,
    *run_examples.INSTANCES,
    *notification_examples.INSTANCES,
)

EXAMPLES: dict[Any, Any] = {**{type(instance): instance for instance in _INSTANCES}, **state_examples.OF_ALIASES}
"""By type."""
