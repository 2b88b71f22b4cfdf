"""The hosts of repositories, by the word in `git_provider`. A new one is a file here and a line below."""

from services.api.git.provider import Provider
from services.api.git.providers.bitbucket import BITBUCKET
from services.api.git.providers.git import GIT
from services.api.git.providers.gitea import GITEA
from services.api.git.providers.github import GITHUB
from services.api.git.providers.gitlab import GITLAB

PROVIDERS: dict[str, Provider] = {each.name: each for each in (GITHUB, GITLAB, GITEA, BITBUCKET, GIT)}
