"""What the routes of API keys take and give."""

from typing import Annotated, Literal

import msgspec

from services.api.http.strict import Body, DisplayName, Page

ScopeName = Literal["read", "deploy", "write", "admin"]
Scopes = Annotated[list[ScopeName], msgspec.Meta(min_length=1, max_length=4)]
Moment = Annotated[str, msgspec.Meta(max_length=40, description="a time in RFC 3339, such as 2030-01-01T00:00:00Z")]


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """Each scope includes the ones before it: read, deploy, write, admin."""

    id: str
    name: str
    scopes: list[str]
    project_id: str | None
    expires_at: str | None
    created_at: str


class ReadableKey(ApiKey, frozen=True, kw_only=True):
    """`key` is None for everyone but a login of its owner."""

    key: str | None


class ApiKeyPage(Page, frozen=True, kw_only=True):
    items: list[ApiKey]


class NewApiKey(Body, frozen=True, kw_only=True):
    """`project_id` binds the key to one project; without `expires_at` it lives until it is deleted."""

    name: DisplayName
    scopes: Scopes
    project_id: str | None = None
    expires_at: Moment | None = None
