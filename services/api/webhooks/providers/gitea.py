"""Gitea's and Forgejo's webhooks, which speak of a push as GitHub does: https://docs.gitea.com/usage/webhooks."""

from services.api.webhooks import signatures
from services.api.webhooks.events import Came, Other, Said
from services.api.webhooks.provider import WebhookProvider
from services.api.webhooks.providers.github import read_push, repo_of


def _is_signed(came: Came, secret: str) -> bool:
    return signatures.of_body(secret, came.body, came.headers.get("x-gitea-signature", ""))


def _read(came: Came) -> Said:
    event = came.headers.get("x-gitea-event", "")
    return read_push(came.body) if event == "push" else Other(event=event, repo=repo_of(came.body))


GITEA = WebhookProvider(_is_signed, _read, "x-gitea-delivery", "x-gitea-event", ("push",))
