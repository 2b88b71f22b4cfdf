"""A server process that a test starts, kills and starts again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 20.0
STOP_SECONDS = 10.0
_GAP = 0.01


class NotReady(RuntimeError):
    """A server did not come up; the message ends with the last lines of its log."""


class Process:
    """One child of the test run, in a session of its own. `log` keeps what it prints."""

    def __init__(self, command: list[str], log: Path, *, user: str | None = None) -> None:
        # A test run that is killed takes its servers with it.
        self._command = ["setpriv", "--pdeathsig", "KILL", *command]
        self._user = user
        self._running: subprocess.Popen[bytes] | None = None
        self.log = log

    @property
    def pid(self) -> int:
        assert self._running, "it does not run"
        return self._running.pid

    def start(self, ready: Callable[[], bool]) -> None:
        """Start it and wait until `ready` says yes; `NotReady` when it ends before or takes more than 20 s."""
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user,
                cwd="/",
            )
        until = time.monotonic() + START_SECONDS
        while not ready():
            if self._running.poll() is not None or time.monotonic() > until:
                self.kill()
                raise NotReady(f"{self._command[3]} did not start:\n{self.last_words()}")
            time.sleep(_GAP)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it in good order, by force after 10 s. Stopped already is fine."""
        if self._running is None:
            return
        self._running.send_signal(number)
        try:
            self._running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._running = None

    def kill(self) -> None:
        """End it at once, its children included, as a power cut would."""
        if self._running is None:
            return
        if self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.wait()
        self._running = None

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
