"""`dockup upgrade`: to a newer commit and schema while apps serve on, and back again when it does not come up.

From the moment at which the files change, each step runs in a process of its own, through `./dockup`, by the files that are there then.
"""

import os
import subprocess
from collections.abc import Callable

import msgspec

from libs.supervisor import down, schema
from libs.supervisor.backup.make import backup
from libs.supervisor.checkout import Checkout
from libs.supervisor.home import LAUNCHER, Home, write_durably
from libs.supervisor.problem import Problem

Say = Callable[[str], None]
_NOTE = "upgrade.json"
_LAST_LINES = 8


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """The last upgrade: commits and schemas before and after it."""

    commit: str
    schema: str
    new_commit: str
    new_schema: str


def upgrade(home: Home, say: Say, *, to: str | None, with_backup: bool) -> None:
    """Go to `to`, or to the newest commit of the branch. `Problem` when that failed; everything is then as it was, and runs."""
    checkout = Checkout(LAUNCHER.parent)
    checkout.check()
    if not home.state_file.exists():
        raise Problem(f"there is no Dockup in {home.root}; start one with: dockup up --detach")
    here, there = checkout.head(), checkout.find(to)
    if here == there:
        say(f"{here[:12]} is the newest; nothing to do")
        return
    old = schema.found(home) or schema.newest()
    if with_backup:
        say("• backup")
        backup(home, None, say, with_images=False)
    say(f"• {here[:12]} → {there[:12]}")
    checkout.go(there)
    step = _Step(home, say)
    try:
        step("environment", "version")
        new = _forward(step)
    except Problem as problem:
        raise Problem(f"the upgrade failed: {problem}\n{_try_back(checkout, step, here, old)}") from problem
    last = Last(commit=here, schema=old, new_commit=there, new_schema=new)
    write_durably(home.root / _NOTE, msgspec.json.encode(last))
    say(f"upgraded to {there[:12]}, schema {new}; dockup upgrade --undo goes back to {here[:12]}")


def undo(home: Home, say: Say) -> None:
    """Go back to what the last upgrade came from, with the schema of then: what only the newer one could keep is lost."""
    checkout = Checkout(LAUNCHER.parent)
    checkout.check()
    note = home.root / _NOTE
    if not note.exists():
        raise Problem("there is no upgrade to undo")
    last = msgspec.json.decode(note.read_bytes(), type=Last)
    if checkout.head() != last.new_commit:
        raise Problem(f"the last upgrade went to {last.new_commit[:12]}, and this is {checkout.head()[:12]}: go there first (git checkout)")
    say(_back(checkout, _Step(home, say), last.commit, last.schema))
    note.unlink()


class _Step:
    """Runs a verb of the files that are there now, and says so."""

    def __init__(self, home: Home, say: Say) -> None:
        self.home = home
        self.say = say

    def __call__(self, what: str, *arguments: str) -> str:
        self.say(f"• {what}")
        environ = {**os.environ, "DOCKUP_HOME": str(self.home.root)}
        done = subprocess.run([LAUNCHER, *arguments], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Problem(f"{what}: {_end(done.stderr or done.stdout)}")
        return done.stdout.strip()

    def stop(self) -> None:
        self.say("• stopping the control plane; apps serve on")
        down.down(self.home, lambda _text: None, everything=False)


def _end(words: str) -> str:
    """Of a traceback the end says it."""
    return "\n".join(words.strip().splitlines()[-_LAST_LINES:])


def _forward(step: _Step) -> str:
    step.stop()
    new = step("schema", "schema", "--newest")
    step("starting", "up", "--detach")
    return new


def _try_back(checkout: Checkout, step: _Step, commit: str, revision: str) -> str:
    try:
        return _back(checkout, step, commit, revision)
    except Problem as problem:
        rescue = (
            f"{commit} is what ran, the backup is in {step.home.backups}: git reset --keep {commit}, then dockup restore --replace FILE"
        )
        return f"and going back failed: {problem}\n{rescue}"


def _back(checkout: Checkout, step: _Step, commit: str, revision: str) -> str:
    """The newer files alone know the way down, so the schema goes first. Returns how it ended."""
    step.stop()
    if schema.found(step.home) != revision:
        step(f"schema back to {revision}", "schema", "--to", revision)
    checkout.go(commit)
    step("environment", "version")
    step("starting", "up", "--detach")
    return f"back at {commit[:12]}, schema {revision}; everything runs"
