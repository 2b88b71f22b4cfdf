"""Which GitHub is spoken to: github.com, or the one of `DOCKUP_GITHUB_URL`; and whether this installation may speak to it at all."""

from urllib.parse import urlsplit

import msgspec

from libs.common import egress
from services.api.http.problems import Problem
from services.api.settings import Settings

_PUBLIC = "https://github.com"
_HINT = "Make an OAuth app at GitHub with the callback {callback}, set {name}, and start Dockup again; docs/git.md says how."


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """`web` and `api` are addresses without a slash at their end; `callback` is where GitHub sends the browser back to."""

    web: str
    api: str
    callback: str
    client_id: str
    client_secret: str


def is_configured(settings: Settings) -> bool:
    return bool(settings.github_client_id and settings.github_client_secret) and not _is_plain(settings)


def of(settings: Settings) -> Server:
    """`409 github_not_configured` with the name of the setting that is missing, or that does not do."""
    callback = f"{settings.url}/api/v1/git/callback/github"
    for name in ("github_client_id", "github_client_secret"):
        if not getattr(settings, name):
            setting = f"DOCKUP_{name.upper()}"
            raise Problem(
                "github_not_configured", f"{setting} is not set.", hint=_HINT.format(callback=callback, name=setting), setting=setting
            )
    if _is_plain(settings):
        detail = f"DOCKUP_GITHUB_URL is {settings.github_url}: plain http is for a host that DOCKUP_EGRESS_ALLOW names."
        raise Problem("github_not_configured", detail, setting="DOCKUP_GITHUB_URL")
    web = settings.github_url.rstrip("/")
    return Server(
        web=web,
        api="https://api.github.com" if web.lower() == _PUBLIC else f"{web}/api/v3",
        callback=callback,
        client_id=settings.github_client_id,
        client_secret=settings.github_client_secret,
    )


def _is_plain(settings: Settings) -> bool:
    """Tokens would go over the wire as they are, to a host that nobody named."""
    parts = urlsplit(settings.github_url)
    if parts.scheme == "https":
        return False
    host = parts.hostname or ""
    allowed = egress.parse(settings.egress_allow)
    try:
        return not egress.judge(host, [host], allowed)
    except (egress.AddressRefused, ValueError):
        return True
