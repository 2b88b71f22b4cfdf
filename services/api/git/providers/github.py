"""GitHub. `DOCKUP_GITHUB_URL` puts a GitHub Enterprise in its place."""

from services.api.git.provider import Provider

GITHUB = Provider(name="github", url="https://github.com")
