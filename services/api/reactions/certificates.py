"""What follows from the routers' word on certificates. A host's state is kept by its name: it outlives a domain that is taken away."""

import msgspec
from sqlalchemy import select

from libs.common.messages.router import CertificateFailed, CertificateIssued
from services.api.domains.models import CertificateRow
from services.api.domains.schemas import Certificate
from services.api.reactions.scene import Line, Scene

_state = msgspec.json.Decoder(Certificate)


async def certificate_issued(scene: Scene, event: CertificateIssued) -> Line | None:
    state = Certificate(status="active", expires_at=event.expires_at, issuer=event.issuer)
    if not await _note(scene, event.host, event.at, state):
        return None
    kind, how = ("certificate.renewed", "was renewed") if event.renewals else ("certificate.issued", "was issued")
    message = f"The certificate of {event.host} {how}; it ends {event.expires_at}."
    return await _line(scene, event.app_id, kind, message, {"host": event.host, "expires_at": event.expires_at, "issuer": event.issuer})


async def certificate_failed(scene: Scene, event: CertificateFailed) -> Line | None:
    """One that still holds goes on serving, so the state stays `active` until that ends."""
    row = await scene.tx.session.get(CertificateRow, event.host)
    before = _state.decode(row.state) if row else Certificate(status="pending")
    holds = before.expires_at is not None and before.expires_at > event.at
    state = msgspec.structs.replace(before, status="active" if holds else "failed", error=event.error, retry_at=event.retry_at)
    if not await _note(scene, event.host, event.at, state):
        return None
    message = f"There is no {'new ' if holds else ''}certificate for {event.host}: {event.error} It is tried again after {event.retry_at}."
    data: dict[str, object] = {"host": event.host, "error": event.error, "retry_at": event.retry_at, "attempts": event.attempts}
    return await _line(scene, event.app_id, "certificate.failed", message, data, level="warning")


async def _note(scene: Scene, host: str, at: str, state: Certificate) -> bool:
    """False for news that is older than what is known."""
    row = (await scene.tx.session.execute(select(CertificateRow).where(CertificateRow.host == host))).scalar_one_or_none()
    if row is None:
        row = CertificateRow(host=host, state="", said_at="")
        scene.tx.session.add(row)
    if row.said_at > at:
        return False
    row.state, row.said_at = msgspec.json.encode(state).decode(), at
    await scene.tx.flush()
    return True


async def _line(scene: Scene, app_id: str | None, kind: str, message: str, data: dict[str, object], *, level: str = "info") -> Line | None:
    """The server's own host has no app, and its line is for admins. Of an app that is gone nobody hears."""
    app = await scene.app(app_id) if app_id is not None else None
    if app is None:
        return None if app_id is not None else Line(type=kind, message=message, project_id=None, level=level, data=data)
    scene.wakes.add(app.id)
    return Line(type=kind, message=message, project_id=app.project_id, app_id=app.id, level=level, data=data)
