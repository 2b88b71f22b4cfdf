"""What the routes of registries take and give."""

from typing import Annotated

import msgspec

from services.api.http.strict import Body, DisplayName, Page

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET
Server = Annotated[str, msgspec.Meta(min_length=1, max_length=300, description="a registry's host, such as ghcr.io")]
Username = Annotated[
    str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f:]+$", description="1 to 255 characters, no colon")
]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=8192, pattern=r"^[^\x00]+$", description="a password or token")]


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """A login for the registry at `server`. The password never comes back."""

    id: str
    name: str
    server: str
    username: str
    created_at: str


class RegistryPage(Page, frozen=True, kw_only=True):
    items: list[Registry]


class NewRegistry(Body, frozen=True, kw_only=True):
    """`username` is what the registry wants: `AWS` at ECR, your name at GHCR, `gitlab+deploy-token-1` at GitLab, `_json_key` at Google."""

    name: DisplayName
    server: Server
    username: Username
    password: Password


class RegistryUpdate(Body, frozen=True, kw_only=True):
    """What is left out keeps its value; the read-only fields may come back as they were read."""

    id: str | Unset = UNSET
    name: DisplayName | Unset = UNSET
    server: Server | Unset = UNSET
    username: Username | Unset = UNSET
    password: Password | Unset = UNSET
    created_at: str | Unset = UNSET


class RegistryCheck(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`: the registry took the login. Else `code` is a failure code, and `detail` what was answered."""

    ok: bool
    code: str | None
    detail: str
    checked_at: str
