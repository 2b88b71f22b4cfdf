"""What the routes of domains take and give."""

from typing import Annotated, Literal

import msgspec

from services.api.http.strict import Body, Page

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, description="a host name, such as www.example.com")]


class NewDomain(Body, frozen=True, kw_only=True):
    """`name` in any spelling, `Bücher.example` too; it comes back in lower case as DNS has it, `xn--bcher-kva.example`."""

    name: Name


class Dns(msgspec.Struct, frozen=True, kw_only=True):
    """What DNS said at the last check. `ok`: every address that was `found` is one of those `expected`, which are this server's.

    `error` says why nothing was found; of a verified domain whose name servers did not answer the rest is what was found before.
    """

    ok: bool
    found: list[str]
    expected: list[str]
    error: str | None = None


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The domain's certificate.

    `status`: `none` (TLS is off, or the domain is not verified), `internal` (from this server's own authority, which browsers do not
    know), `pending` (asked for; the internal one serves meanwhile), `active`, `failed` (tried again at `retry_at`; the one before, or
    the internal one, serves).
    """

    status: Literal["none", "internal", "pending", "active", "failed"]
    expires_at: str | None = None
    issuer: str | None = None
    error: str | None = None
    retry_at: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A DNS record that proves whose the domain is, wherever its addresses lead."""

    type: Literal["TXT"] = "TXT"
    name: str
    value: str


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain of an app. `pending`: it is not routed until DNS leads here or has the record of `verification`; then `active`."""

    id: str
    name: str
    status: Literal["pending", "active"]
    certificate: Certificate
    dns: Dns
    verification: Verification
    created_at: str
    checked_at: str
    verified_at: str | None


class DomainPage(Page, frozen=True, kw_only=True):
    items: list[Domain]
