"""Who asks, and how much of what they may do this token allows."""

import msgspec

SCOPES = ("read", "deploy", "write", "admin")
"""Each includes the ones before it."""


def including(scopes: frozenset[str]) -> frozenset[str]:
    """Add to `scopes` what they include: `write` gives `deploy` and `read`."""
    highest = max((SCOPES.index(scope) for scope in scopes), default=-1)
    return frozenset(SCOPES[: highest + 1])


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A user through one token.

    `scopes` is closed under inclusion and never exceeds the user's role (`admin` only for admins). `project_id` is set for a key
    that is bound to one project: everything else is out of its sight. Exactly one of `key_id` and `session_id` is set.
    """

    user_id: str
    email: str
    role: str
    scopes: frozenset[str]
    actor: str
    project_id: str | None = None
    key_id: str | None = None
    session_id: str | None = None

    @property
    def is_admin(self) -> bool:
        """May see and do everything of everyone: an admin through a token of scope `admin` that is bound to no project."""
        return "admin" in self.scopes and self.project_id is None

    def may(self, scope: str) -> bool:
        return scope in self.scopes
