"""Bitbucket Cloud."""

from services.api.git.provider import Provider

BITBUCKET = Provider(name="bitbucket", url="https://bitbucket.org", commit="/commits/{}", branch="/branch/{}")
