"""What stands in front of an app at the proxy: redirects, maintenance and passwords, as they are sent, stored and shown.

A change is live at once. Passwords are never kept: a salted digest of each is, encrypted.
"""

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Annotated, Literal, cast

import msgspec

from libs.common.messages.api import Front, Guard, Redirect
from libs.common.secrets import MASK, Vault
from services.api.apps import domains
from services.api.domains.grammar import to_name
from services.api.http.problems import FieldError, Problem, invalid
from services.api.http.strict import Body

if TYPE_CHECKING:
    from services.api.apps.models import AppRow
    from services.api.apps.schemas import Settings

FIELDS = frozenset({"redirects", "https_redirect", "maintenance", "basic_auth"})
_MOST = 50
_SALT_BYTES = 16

RedirectStatus = Literal[301, 302, 307, 308]
UserName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._@+-]{1,64}$", description="1 to 64 letters, digits and ._@+-")]
Password = Annotated[
    str,
    msgspec.Meta(min_length=8, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", description="8 to 128 characters, no control characters"),
]
RetryAfter = Annotated[int, msgspec.Meta(ge=1, le=86_400, description="seconds")]


class RedirectBody(Body, frozen=True, kw_only=True):
    """Requests for the host `from`, one of the app's, are sent on to the host `to`, path and query kept."""

    from_: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] = msgspec.field(name="from")
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    status: RedirectStatus = 308


class Maintenance(Body, frozen=True, kw_only=True):
    """While `enabled`, every request is answered with `503` and `Retry-After`; what runs goes on."""

    enabled: bool = False
    retry_after_seconds: RetryAfter = 300


class BasicAuthUser(msgspec.Struct, frozen=True, kw_only=True):
    username: str


class BasicAuthBody(Body, frozen=True, kw_only=True):
    """Somebody who may pass. Without `password` the one of before stays; it never comes back."""

    username: UserName
    password: Password | msgspec.UnsetType = msgspec.UNSET


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it stands in the app's row, without the digests."""

    redirects: tuple[Redirect, ...] = ()
    https_redirect: bool = True
    maintenance: Maintenance = Maintenance()
    users: tuple[str, ...] = ()


_kept = msgspec.json.Decoder(Kept)
_NOTHING = "{}"


def of(app: "AppRow") -> Kept:
    return _kept.decode(app.front)


def redirects_of(kept: Kept) -> list[RedirectBody]:
    return [RedirectBody(from_=each.host, to=each.to, status=cast("RedirectStatus", each.status)) for each in kept.redirects]


def told(app: "AppRow") -> Front | None:
    """What the proxy is to know; None while nothing is out of the ordinary."""
    if app.front == _NOTHING or (kept := of(app)) == Kept():
        return None
    return Front(
        redirects=kept.redirects,
        https_redirect=kept.https_redirect,
        maintenance=kept.maintenance.retry_after_seconds if kept.maintenance.enabled else None,
        basic_auth=app.basic_auth or "",
    )


def take_over(app: "AppRow", front: Front, vault: Vault) -> None:
    """Make the row as the proxy was told: an app behind a password stays behind it."""
    kept = Kept(
        redirects=front.redirects,
        https_redirect=front.https_redirect,
        maintenance=Maintenance() if front.maintenance is None else Maintenance(enabled=True, retry_after_seconds=front.maintenance),
        users=tuple(vault.open(front.basic_auth, Guard).users) if front.basic_auth else (),
    )
    app.front, app.basic_auth = msgspec.json.encode(kept).decode(), front.basic_auth or None


def merge(app: "AppRow", body: "Settings", vault: Vault, own_host: str) -> list[str]:
    """Change the row; return the names of what is another now."""
    before, token = of(app), app.basic_auth
    after = before
    if not isinstance(body.redirects, msgspec.UnsetType):
        after = msgspec.structs.replace(after, redirects=_redirects(app, body.redirects or [], own_host))
    if body.https_redirect is not msgspec.UNSET:
        after = msgspec.structs.replace(after, https_redirect=body.https_redirect)
    if not isinstance(body.maintenance, msgspec.UnsetType):
        after = msgspec.structs.replace(after, maintenance=body.maintenance or Maintenance())
    if not isinstance(body.basic_auth, msgspec.UnsetType):
        app.basic_auth = _guarded(token, body.basic_auth or [], vault)
        after = msgspec.structs.replace(after, users=tuple(user.username for user in body.basic_auth or []))
    if after != before:
        app.front = msgspec.json.encode(after).decode()
    changed = [name for name in ("redirects", "https_redirect", "maintenance") if getattr(before, name) != getattr(after, name)]
    return changed + (["basic_auth"] if token != app.basic_auth else [])


def _redirects(app: "AppRow", given: list[RedirectBody], own_host: str) -> tuple[Redirect, ...]:
    if len(given) > _MOST:
        raise invalid("/redirects", f"takes at most {_MOST}")
    ours = {own_host, *domains.names(app)}
    found: dict[str, Redirect] = {}
    for number, each in enumerate(given):
        at = f"/redirects/{number}"
        host = own_host if each.from_.strip().lower() == own_host else to_name(each.from_, "", f"{at}/from")
        if host not in ours:
            raise invalid(f"{at}/from", "is none of the app's domains")
        if host in found:
            raise invalid(f"{at}/from", "is sent on already")
        found[host] = Redirect(host=host, to=_target(each.to, own_host, f"{at}/to"), status=each.status)
    _check_ends(found)
    return tuple(found.values())


def _target(text: str, own_host: str, pointer: str) -> str:
    return own_host if text.strip().lower() == own_host else to_name(text, "", pointer)


def _check_ends(found: dict[str, Redirect]) -> None:
    """Whoever is sent on arrives somewhere."""
    for number, start in enumerate(found):
        seen, host = {start}, found[start].to
        while host in found and host not in seen:
            seen.add(host)
            host = found[host].to
        if host in seen:
            raise invalid(f"/redirects/{number}/to", "leads in a circle")


def _guarded(token: str | None, given: list[BasicAuthBody], vault: Vault) -> str | None:
    """The sealed guard; the same token where nothing changed, None for nobody to keep out."""
    if len(given) > _MOST:
        raise invalid("/basic_auth", f"takes at most {_MOST}")
    before = vault.open(token, Guard) if token else Guard(salt=secrets.token_hex(_SALT_BYTES))
    users: dict[str, str] = {}
    for number, each in enumerate(given):
        at = f"/basic_auth/{number}"
        if each.username in users:
            raise invalid(f"{at}/username", "stands there twice")
        if each.password == MASK:
            raise Problem("masked_value", errors=[FieldError(pointer=f"{at}/password", detail="is masked")])
        if not isinstance(each.password, msgspec.UnsetType):
            users[each.username] = digest(before.salt, each.username, each.password)
        elif each.username in before.users:
            users[each.username] = before.users[each.username]
        else:
            raise invalid(f"{at}/password", "is missing")
    after = msgspec.structs.replace(before, users=users)
    if not users:
        return None
    return token if after == before else vault.seal(after)


def digest(salt: str, username: str, password: str) -> str:
    """What the proxy computes of the header that a browser sends: it can do that at each request, and without a reload."""
    sent = base64.b64encode(f"{username}:{password}".encode()).decode()
    return hashlib.sha256(f"{salt}:{sent}".encode()).hexdigest()
