"""What the routes of people take and give."""

from typing import Annotated, Literal

import msgspec

from services.api.http.strict import Body, Page
from services.api.settings import EMAIL

Email = Annotated[str, msgspec.Meta(max_length=254, pattern=EMAIL, description="an email address, such as ada@example.com")]
Password = Annotated[str, msgspec.Meta(min_length=8, max_length=200, description="8 to 200 characters")]
AnyPassword = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Role = Literal["admin", "member"]


class User(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    email: str
    role: Role
    disabled: bool
    created_at: str


class CreatedUser(User, frozen=True, kw_only=True):
    """`password` stands here once, when none was given and one was made; it is None otherwise."""

    password: str | None = None


class UserPage(Page, frozen=True, kw_only=True):
    items: list[User]


class Login(Body, frozen=True, kw_only=True):
    email: Email
    password: AnyPassword


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """`token` goes into `Authorization: Bearer` until `expires_at`, a logout, or a change of the password."""

    token: str
    token_type: Literal["Bearer"]
    expires_at: str
    user: User


class Me(User, frozen=True, kw_only=True):
    """The user, and what this token of theirs may do. `key_id` is None for a JWT; `project_id` binds a key to one project."""

    scopes: list[str]
    key_id: str | None
    project_id: str | None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A login. `current`: it is the one that asks. `agent` is what the client called itself, cut to 200 characters."""

    id: str
    created_at: str
    expires_at: str
    address: str | None
    agent: str | None
    current: bool


class SessionPage(Page, frozen=True, kw_only=True):
    items: list[Session]


class PasswordChange(Body, frozen=True, kw_only=True):
    current_password: AnyPassword
    new_password: Password


class Registration(Body, frozen=True, kw_only=True):
    email: Email
    password: Password


class NewUser(Body, frozen=True, kw_only=True):
    """Without a password one is made, and shown once."""

    email: Email
    password: Password | None = None
    role: Role = "member"


class UserUpdate(Body, frozen=True, kw_only=True):
    """What is left out stays. The rest of a user comes back unchanged or not at all."""

    role: Role | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET
    id: str | msgspec.UnsetType = msgspec.UNSET
    email: str | msgspec.UnsetType = msgspec.UNSET
    created_at: str | msgspec.UnsetType = msgspec.UNSET
