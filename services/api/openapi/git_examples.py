"""Examples for connections to git hosts and for webhooks; see `examples`."""

from typing import Any

from services.api.git.schemas import Authorize, Connection, ConnectionPage, Repo, RepoPage
from services.api.previews.settings import PreviewBody
from services.api.webhooks.schemas import Delivery, DeliveryPage, Received, Webhook

_AT = "2026-01-31T09:30:00.000Z"
_APP_ID = "app_019c13f1d3a37a8b9cadbecfd0e1f203"
_HOOK = f"https://localhost/api/v1/webhooks/apps/{_APP_ID}/github"

_connection = Connection(
    id="git_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
    provider="github",
    server="https://github.com",
    account="ada",
    scopes=["repo", "read:user"],
    problem=None,
    created_at=_AT,
)
_repo = Repo(
    full_name="ada/demo",
    private=True,
    default_branch="main",
    description="A page that says hello",
    url="https://github.com/ada/demo",
    pushed_at="2026-01-31T09:29:58Z",
)
_delivery = Delivery(
    id="dlv_019c13f1d3a07c5e9d3a6c0b5f1e2d3c",
    app_id=_APP_ID,
    provider="github",
    delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958",
    event="push",
    verdict="deployed",
    received_at=_AT,
    deployment_id="dep_019c13f1d3a47b9c8dbecfd0e1f20314",
    redelivery_of=None,
)

INSTANCES: tuple[Any, ...] = (
    Authorize(authorize_url="https://github.com/login/oauth/authorize?client_id=Iv1.8a61f9b3a7aba766&state=xyz", expires_at=_AT),
    _connection,
    ConnectionPage(items=[_connection]),
    _repo,
    RepoPage(items=[_repo], next_cursor="1.50"),
    _delivery,
    DeliveryPage(items=[_delivery], next_cursor=_delivery.id),
    Received(deliveries=[_delivery]),
    Webhook(provider="github", url=_HOOK, secret="7f3c0b1d9e5a", events=["push", "pull_request"], active=True, detail=""),  # noqa: S106 - an example
    PreviewBody(enabled=True, env={"STAGE": "preview"}, ttl_hours=72, forks=False),
)
