"""GitLab: groups may lie in groups. One of one's own is named by its whole address."""

from services.api.git.provider import Provider

GITLAB = Provider(name="gitlab", url="https://gitlab.com", depth=20, commit="/-/commit/{}", branch="/-/tree/{}")
