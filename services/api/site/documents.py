"""The documents that introduce this server to programs. They depend on its address alone."""

from pathlib import Path
from typing import Any

from services.api.settings import Settings

_SEED = Path(__file__).with_name("llms.txt")
_SEED_HOST = "dockup.cc"

_HERE = """
## This server

- Base URL: `{url}`. Apps answer at `{app_url}`.
- `GET {url}/api/v1/openapi.json` lists exactly what this version has; what it does not list is not there yet.
- Errors are `application/problem+json`: decide by `code`, do what `hint` says, repeat only when `retryable` is true.
- `POST …/deploy?wait=60` holds the answer until the deployment has ended; `?dry_run=true` shows the plan and changes nothing.
- One call from nothing to live: `POST /api/v1/deploy/my-app` with `{{"create": true, "project": "My Project", "image": "nginx:alpine",
  "internal_port": 80}}`.
- Send an `Idempotency-Key` with every POST that you may repeat: it happens once.
- Unknown fields and query parameters are refused with `400`, so a typing error never passes unnoticed.
"""


def llms_txt(settings: Settings) -> str:
    """The seed document with this server's own address, and what holds here."""
    seed = _SEED.read_text(encoding="utf-8")
    text = seed.replace("https://{slug}-app.{base_domain}", settings.app_url("{slug}"))
    text = text.replace(f"https://{_SEED_HOST}", settings.url).replace(_SEED_HOST, settings.base_domain)
    return text.rstrip("\n") + "\n" + _HERE.format(url=settings.url, app_url=settings.app_url("{slug}"))


def ai_plugin(settings: Settings) -> dict[str, Any]:
    return {
        "schema_version": "v1",
        "name_for_human": "Dockup",
        "name_for_model": "dockup",
        "description_for_human": "Deploys containers and serves them over HTTPS.",
        "description_for_model": f"Deploys containers and serves them at {settings.app_url('{slug}')}. Read {settings.url}/llms.txt first.",
        "auth": {"type": "user_http", "authorization_type": "bearer"},
        "api": {"type": "openapi", "url": f"{settings.url}/api/v1/openapi.json"},
        "logo_url": f"{settings.url}/docs/favicon-32x32.png",
        "contact_email": settings.admin_email or f"admin@{settings.base_domain}",
        "legal_info_url": f"{settings.url}/",
    }


def api_catalog(settings: Settings) -> dict[str, Any]:
    """RFC 9727: a linkset (RFC 9264) from the API to its descriptions."""
    url = settings.url
    return {
        "linkset": [
            {
                "anchor": f"{url}/api/v1",
                "service-desc": [{"href": f"{url}/api/v1/openapi.json", "type": "application/vnd.oai.openapi+json;version=3.1"}],
                "service-doc": [{"href": f"{url}/docs", "type": "text/html"}, {"href": f"{url}/llms.txt", "type": "text/plain"}],
                "status": [{"href": f"{url}/api/v1/system/status", "type": "application/json"}],
            }
        ]
    }
