"""What tells one host of repositories from another."""

import msgspec


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is where short names (`owner/repo`) live; empty where there is no such place.

    `depth` is how many parts a short name may have; `commit` and `branch` lead from a repository's page to those of one commit or branch.
    """

    name: str
    url: str = ""
    depth: int = 2
    commit: str = "/commit/{}"
    branch: str = "/tree/{}"
