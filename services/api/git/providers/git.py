"""Any git server over https. It has no pages that we know of, and no short names."""

from services.api.git.provider import Provider

GIT = Provider(name="git", commit="", branch="")
