"""The hosts whose webhooks are understood, by the word in the path. A new one is a file here and a line below."""

from services.api.webhooks.provider import WebhookProvider
from services.api.webhooks.providers.gitea import GITEA
from services.api.webhooks.providers.github import GITHUB
from services.api.webhooks.providers.gitlab import GITLAB

PROVIDERS: dict[str, WebhookProvider] = {"github": GITHUB, "gitlab": GITLAB, "gitea": GITEA}
