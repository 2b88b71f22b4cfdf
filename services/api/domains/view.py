"""From a domain's row to what a client reads. Pure."""

import msgspec

from services.api.apps.models import AppRow
from services.api.domains.dns import proof, proof_name
from services.api.domains.models import CertificateRow, DomainRow
from services.api.domains.schemas import Certificate, Dns, Domain, Verification
from services.api.settings import Settings

INTERNAL = "Dockup local CA"

_state = msgspec.json.Decoder(Certificate)
_dns = msgspec.json.Decoder(Dns)


def to_view(row: DomainRow, known: CertificateRow | None, app: AppRow, settings: Settings) -> Domain:
    """`known`: what was said of the certificate of the name."""
    return Domain(
        id=row.id,
        name=row.name,
        status="active" if row.verified_at else "pending",
        certificate=_certificate(row, known, settings),
        dns=_dns.decode(row.dns),
        verification=Verification(name=proof_name(row.name), value=proof(row.name, app.project_id)),
        created_at=row.created_at,
        checked_at=row.checked_at,
        verified_at=row.verified_at,
    )


def _certificate(row: DomainRow, known: CertificateRow | None, settings: Settings) -> Certificate:
    if settings.tls == "off" or row.verified_at is None:
        return Certificate(status="none")
    if known is not None:
        return _state.decode(known.state)
    return Certificate(status="pending") if settings.tls == "acme" else Certificate(status="internal", issuer=INTERNAL)
