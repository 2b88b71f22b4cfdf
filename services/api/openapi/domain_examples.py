"""Examples for custom domains; see `examples`."""

from typing import Any

from services.api.domains.schemas import Certificate, Dns, Domain, DomainPage, NewDomain, Verification

_AT = "2026-01-31T09:30:00.000Z"

_domain = Domain(
    id="dom_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
    name="www.example.com",
    status="active",
    certificate=Certificate(status="active", expires_at="2026-05-01T09:30:00.000Z", issuer="Let's Encrypt E7"),
    dns=Dns(ok=True, found=["203.0.113.7"], expected=["203.0.113.7"]),
    verification=Verification(name="_dockup.www.example.com", value="dockup-verify=0b6d5e9a7c3f1d2e4b8a6c5d7e9f0a1b2c3d4e5f"),
    created_at=_AT,
    checked_at=_AT,
    verified_at=_AT,
)

INSTANCES: tuple[Any, ...] = (_domain, DomainPage(items=[_domain]), NewDomain(name="www.example.com"))
