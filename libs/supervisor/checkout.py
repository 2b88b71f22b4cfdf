"""The git checkout that Dockup runs from: which commit it is at, and how it gets to another one."""

import os
import subprocess
from pathlib import Path

from libs.supervisor.problem import Problem

_SECONDS = 300


class Checkout:
    """`root` is the folder with `./dockup` in it. Every method raises `Problem` with git's own words."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self) -> None:
        """`Problem` unless this is a checkout that nobody has changed."""
        if not (self.root / ".git").exists():
            raise Problem(f"{self.root} is no git checkout: put the new version there by hand, then: dockup down && dockup up --detach")
        if changed := self._git("status", "--porcelain", "--untracked-files=no"):
            raise Problem(f"files in {self.root} were changed; keep or undo that first (git stash):\n{changed}")

    def head(self) -> str:
        return self._git("rev-parse", "HEAD")

    def find(self, name: str | None) -> str:
        """The commit of `name`, or the newest one of the branch that is followed."""
        self._git("fetch", "--quiet", "--tags")
        if name is None:
            return self._git("rev-parse", "--verify", "@{upstream}^{commit}")
        return self._git("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")

    def go(self, commit: str) -> None:
        """Be at `commit`; a branch comes along."""
        self._git("reset", "--quiet", "--keep", commit)

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        try:
            done = subprocess.run(
                command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Problem(f"git {arguments[0]} failed: {error}") from error
        if done.returncode:
            raise Problem(f"git {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout.strip()
