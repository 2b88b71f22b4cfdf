"""Coding sessions: what the API asks the runtime to begin, and what a session tells beside its bytes."""

import msgspec

KIND = "codex"
PUSHED = 4
"""The tag of a frame that tells of a push, beside the tags of `exec`; its body is a `Pushed`."""
DISK_FULL = "disk_full"
"""Why a session ended that wrote more than it may."""


class CodexSource(msgspec.Struct, frozen=True, kw_only=True):
    """The app's repository. `login` is a sealed `GitLogin`, empty for none. `may_push`: the login is the session's own user's, or none."""

    url: str
    branch: str | None = None
    login: str = ""
    may_push: bool = True


class CodexRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`id` names container, network and branch. `key` is the sealed key for the model's API; `source` None for an empty work folder.

    `prompt`: work on it without asking, and end; None: ask in the terminal, or read it from the input where there is none (`tty` false).
    """

    id: str
    image: str
    key: str
    source: CodexSource | None = None
    prompt: str | None = None
    model: str | None = None
    tty: bool = True

    @property
    def branch(self) -> str:
        """The one branch that may be pushed to."""
        return f"dockup/codex-{self.id}"


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """The git host took `commit` for the session's branch."""

    branch: str
    commit: str
