"""The runtime's memory of one app's runs. Filled from the engine, lost with the process, and made again from it."""

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic

import msgspec

from libs.common import bounds
from libs.common.engine.containers import ContainerSeen
from libs.common.messages.api import Desired
from libs.common.messages.runtime import LogLine, RunEnded
from services.runtime.clock import EngineClock
from services.runtime.runs import facts
from services.runtime.runs.errand import errands
from services.runtime.runs.runner import Runner, merged
from services.runtime.teller import Teller

_KILLED = 137
_WORD_SECONDS, _LOOK_SECONDS = 1.0, 0.02


class Told:
    """The lines of a log that are stored, and their bytes."""

    def __init__(self, lines: Iterable[LogLine]) -> None:
        self.lines = set(lines)
        self.size = sum(bounds.size(line) for line in self.lines)


class Runs:
    """`runners` by container; `ended` by errand, with the event where it is a run's; `told` by errand."""

    def __init__(self, app_id: str, teller: Teller, clock: EngineClock, released: Callable[[str], None]) -> None:
        self._app_id = app_id
        self._teller = teller
        self._clock = clock
        self._released = released
        self._unstarted: frozenset[str] = frozenset()
        self.runners: dict[str, Runner] = {}
        self.ended: dict[str, RunEnded | None] = {}
        self.told: dict[str, Told] = {}

    def want(self, desired: Desired) -> None:
        """These are open now; of others nothing needs to be known."""
        self._unstarted = frozenset(run.id for run in desired.runs if not run.started)
        ids = {errand.id for errand in errands(desired)}
        self.ended = {errand: event for errand, event in self.ended.items() if errand in ids}

    def change(self, container_id: str, **fields: object) -> Runner | None:
        """Note something new; None when it is not known any more."""
        old = self.runners.get(container_id)
        if old is None:
            return None
        new = msgspec.structs.replace(old, **fields)
        self.runners[container_id] = new
        return new

    async def known_why(self, runner: Runner) -> Runner:
        """As it is once the engine's word on memory, which may come after the one on the exit, can be expected to be here."""
        until = monotonic() + _WORD_SECONDS
        while runner.exit_code == _KILLED and not (runner.oom or runner.late) and monotonic() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            runner = self.runners.get(runner.id, runner)
        return runner

    def merge(self, runner: Runner, seen: ContainerSeen) -> None:
        """Bring in what `inspect` said, of one that may be new, and say that it started."""
        new = merged(self.runners.get(runner.id, runner), seen, self._clock.now())
        self.runners[runner.id] = new
        self._tell_start(new)

    def vanish(self, container_id: str) -> None:
        """The container is gone."""
        if (runner := self.runners.pop(container_id, None)) is not None:
            self._released(runner.address)
            self.told.pop(runner.errand, None)

    def end(self, event: RunEnded) -> None:
        self.ended[event.run_id] = event
        self._teller.tell(event)

    def say_again(self) -> None:
        """All that the API has not taken notice of."""
        for runner in self.runners.values():
            self._tell_start(runner, again=True)
        for event in self.ended.values():
            if event is not None:
                self._teller.tell(event, again=True)

    def _tell_start(self, runner: Runner, *, again: bool = False) -> None:
        if runner.started_at is not None and runner.errand in self._unstarted:
            self._teller.tell(facts.started(self._app_id, runner, runner.started_at), again=again)
