"""The watch over the children: start, notice an end at once, start again after a pause, adopt those of a supervisor that died.

One thread and no event loop, so that a fork is safe at any time.
"""

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterable
from time import monotonic

import structlog

from libs.common.config import SettingError
from libs.supervisor import backoff, logs, process
from libs.supervisor.children import Child, start
from libs.supervisor.home import Home
from libs.supervisor.process import Process

_ENDING = (signal.SIGTERM, signal.SIGINT)
TICK = 5.0
GRACE = 10.0

logger = structlog.get_logger()


def hold_back() -> None:
    """Let a word to end wait until there is a tree that ends with all that it has: for the time in which services are imported."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


class Watched:
    """One child and what became of it. `handle` is a pidfd; `due` says when to start it next, by the monotonic clock."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.pid = 0
        self.handle = -1
        self.since = 0.0
        self.failures = 0
        self.due = 0.0

    @property
    def up(self) -> bool:
        return self.handle >= 0


class Tree:
    """Keeps `children` running until SIGTERM or SIGINT, then ends them in the order of their rank.

    SIGUSR1 has those of `renewed` end, all of them, and start again as it says now: none of them then still goes by what was.
    """

    def __init__(self, home: Home, children: Iterable[Child], renewed: Callable[[], Iterable[Child]] = tuple) -> None:
        self._home = home
        self._renewed = renewed
        self._renewing = False
        self._watched = [Watched(child) for child in children]
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._next_tick = 0.0

    def run(self) -> None:
        wake = self._listen()
        while not self._stopping:
            if self._renewing:
                self._renew()
            self._tick()
            self._start_due()
            for key, _ in self._selector.select(self._patience()):
                if isinstance(key.data, Watched):
                    self._ended(key.data)
                else:
                    wake.recv(4096)
        self._stop()

    def _listen(self) -> socket.socket:
        """Make signals end `select`; a handler alone would not, for Python takes up the wait again."""
        receiver, sender = socket.socketpair()
        receiver.settimeout(0)
        sender.settimeout(0)
        signal.set_wakeup_fd(sender.detach())
        for number in _ENDING:
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_renew)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        self._selector.register(receiver, selectors.EVENT_READ)
        return receiver

    def _on_stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _on_renew(self, _number: int, _frame: object) -> None:
        self._renewing = True

    def _renew(self) -> None:
        """End the services, then have them started as they are to be now; nothing happens when the settings will not do."""
        self._renewing = False
        try:
            fresh = {child.name: child for child in self._renewed()}
        except SettingError as error:
            logger.error("supervisor.settings_refused", error=str(error))  # noqa: TRY400 - the sentence says it all
            return
        group = [each for each in self._watched if each.child.name in fresh]
        logger.info("supervisor.renewing", children=sorted(fresh))
        self._stop_all([each for each in group if each.up])
        for each in group:
            each.child, each.failures, each.due = fresh[each.child.name], 0, 0.0

    def _patience(self) -> float:
        """Seconds until something has to be done."""
        until = min([self._next_tick, *(each.due for each in self._watched if not each.up)])
        return max(until - monotonic(), 0.0)

    def _tick(self) -> None:
        if monotonic() < self._next_tick:
            return
        self._next_tick = monotonic() + TICK
        for log in sorted(self._home.logs.glob("*.log")):
            # One that went meanwhile, or a disk without room for the copy: the watch goes on, and the next tick tries again.
            with contextlib.suppress(OSError):
                logs.bound(log)

    def _start_due(self) -> None:
        for each in self._watched:
            if not each.up and each.due <= monotonic():
                self._bring_up(each)

    def _bring_up(self, each: Watched) -> None:
        """Adopt the one that runs, else start one."""
        if self._adopt(each):
            return
        each.pid = start(each.child, self._home)
        if self._watch(each):
            logger.info("child.started", child=each.child.name, pid=each.pid)

    def _adopt(self, each: Watched) -> bool:
        found = process.running(self._home.pid_file(each.child.name))
        if found is None:
            return False
        each.pid = found.pid
        if self._watch(each):
            logger.info("child.adopted", child=each.child.name, pid=each.pid)
        return True

    def _watch(self, each: Watched) -> bool:
        """False for an adopted one that ended just now."""
        each.since = monotonic()
        try:
            each.handle = os.pidfd_open(each.pid)
        except ProcessLookupError:
            each.due = 0.0
            return False
        self._selector.register(each.handle, selectors.EVENT_READ, each)
        return True

    def _ended(self, each: Watched) -> None:
        status = self._bury(each)
        each.failures = backoff.failures_after(each.failures, monotonic() - each.since)
        wait = backoff.pause(each.failures)
        each.due = monotonic() + wait
        logger.warning("child.ended", child=each.child.name, pid=each.pid, status=status, again_in=wait)

    def _bury(self, each: Watched) -> int | None:
        """Let go of one that ended; its exit status (negative: the signal), or None for an adopted one, whose parent we are not."""
        self._selector.unregister(each.handle)
        os.close(each.handle)
        each.handle = -1
        try:
            return os.waitstatus_to_exitcode(os.waitpid(each.pid, 0)[1])
        except ChildProcessError:
            return None

    def _stop(self) -> None:
        logger.info("supervisor.stopping")
        for each in self._watched:
            if not each.up:  # not yet: the word came before the first look
                self._adopt(each)
        for rank in sorted({each.child.rank for each in self._watched}):
            self._stop_all([each for each in self._watched if each.up and each.child.rank == rank])
        logger.info("supervisor.stopped")

    def _stop_all(self, group: list[Watched]) -> None:
        left = {each.child.name: each for each in group}
        for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            for each in left.values():
                with contextlib.suppress(ProcessLookupError):  # an adopted one that ended just now
                    signal.pidfd_send_signal(each.handle, number)
            self._await_ends(left, monotonic() + seconds)
        for name in left:
            logger.error("child.would_not_end", child=name)

    def _await_ends(self, left: dict[str, Watched], until: float) -> None:
        while left and monotonic() < until:
            for key, _ in self._selector.select(until - monotonic()):
                if isinstance(key.data, Watched):
                    status = self._bury(key.data)
                    left.pop(key.data.child.name, None)
                    logger.info("child.stopped", child=key.data.child.name, status=status)
                else:
                    key.fileobj.recv(4096)  # type: ignore[union-attr]


def adopted(home: Home, names: Iterable[str]) -> dict[str, Process]:
    """Those of `names` that run, by their pid files."""
    return {name: found for name in names if (found := process.running(home.pid_file(name)))}
