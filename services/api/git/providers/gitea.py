"""Gitea and Forgejo, which are mostly one's own: those are named by their whole address."""

from services.api.git.provider import Provider

GITEA = Provider(name="gitea", url="https://gitea.com", branch="/src/branch/{}")
