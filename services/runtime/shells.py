"""Live sessions of the kind `exec`: a process in a replica, its streams over the bus."""

import asyncio
import re

import msgspec

from libs.common.engine import exec as engine_exec
from libs.common.engine.ending import end
from libs.common.engine.errors import Conflict, EngineAway, EngineError, NotFound, StartFailed
from libs.common.engine.exec import STDERR, Exec
from libs.common.live.channel import Channel
from libs.common.messages.sessions import (
    BYTES,
    END_OF_INPUT,
    ERRORS,
    EXITED,
    REPLICA_ENDED,
    RESIZE,
    Ended,
    ExecRequest,
    Resize,
)
from services.runtime.fleet import Fleet
from services.runtime.ledger import Ledger
from services.runtime.replica import Health, Replica
from services.runtime.sessions import Kind, Refusal, Session

MOST = 16
_AT_ONCE = 32
"""Processes that are ended at a time when the runtime is back: each may take a second, and nobody is let in meanwhile."""
_TERMINAL = {"TERM": "xterm-256color"}
_RUNTIME_PART = re.compile(r'^OCI runtime exec failed:.*?(?=exec: ")')


def kind(fleet: Fleet) -> Kind:
    shells = Shells(fleet, Ledger(fleet.world.settings.home, "execs"))

    async def begin(app_id: str, request: msgspec.Raw) -> Session:
        return await shells.open(app_id, msgspec.json.decode(request, type=ExecRequest))

    return Kind(open=begin, most=MOST, recover=shells.recover)


class Shells:
    """`ledger` remembers what was started, so that a runtime that was killed ends it when it is back."""

    def __init__(self, fleet: Fleet, ledger: Ledger) -> None:
        self._fleet = fleet
        self._engine = fleet.world.engine
        self._ledger = ledger

    async def open(self, app_id: str, asked: ExecRequest) -> Session:
        replica = self._replica(app_id, asked.replica, asked.process)
        process = await self._start(replica, asked)

        async def serve(channel: Channel) -> Ended:
            return await self._serve(channel, process)

        return Session(serve=serve, replica=replica.name)

    async def recover(self) -> None:
        """End what an earlier life of this process left behind."""
        left = self._ledger.all()
        for start in range(0, len(left), _AT_ONCE):
            await asyncio.gather(*(self._let_go(exec_id) for exec_id in left[start : start + _AT_ONCE]))

    def _replica(self, app_id: str, name: str | None, process: str | None) -> Replica:
        if not self._fleet.active or self._fleet.lookout.trouble:
            raise Refusal("runtime_unavailable", "The runtime does not reach the Docker Engine now.")
        app = self._fleet.apps.get(app_id)
        replicas = list(app.view.replicas.values()) if app else []
        if name is not None:
            replicas = [replica for replica in replicas if replica.name == name]
            if not replicas:
                raise Refusal("not_found", f"The app has no replica {name}; GET /apps/{{app}}/stats names those that it has.")
        if process is not None:
            there = sorted({replica.key.process for replica in replicas})
            replicas = [replica for replica in replicas if replica.key.process == process]
            if not replicas:
                raise Refusal("not_found", f"No replica is of the process {process}; there are those of {', '.join(there) or 'none'}.")
        running = [replica for replica in replicas if replica.running]
        if not running:
            states = ", ".join(sorted({replica.state.value for replica in replicas})) or "none is there"
            raise Refusal("app_not_running", f"No replica of the app runs that could be entered: {states}.")
        return max(running, key=_preference)

    async def _start(self, replica: Replica, asked: ExecRequest) -> Exec:
        try:
            exec_id = await engine_exec.create(self._engine, replica.id, asked.command, tty=asked.tty, env=_TERMINAL if asked.tty else {})
            self._ledger.note(exec_id)
            try:
                return await engine_exec.start(self._engine, exec_id, replica.id, tty=asked.tty)
            except BaseException:
                await self._let_go(exec_id)
                raise
        except StartFailed as error:
            reason = _RUNTIME_PART.sub("", str(error)).removesuffix(": unknown")
            raise Refusal("exec_failed", f"{asked.command[0]} could not be started: {reason}") from error
        except (NotFound, Conflict) as error:
            raise Refusal("app_not_running", f"The replica does not run: {error}") from error
        except (EngineAway, EngineError) as error:
            raise Refusal("runtime_unavailable", f"The Docker Engine did not start it: {error}") from error

    async def _serve(self, channel: Channel, process: Exec) -> Ended:
        try:
            code = await carry(channel, process)
            taken = await engine_exec.was_taken_along(self._engine, process.container_id, code)
            self._ledger.forget(process.id)
        finally:
            await self._let_go(process.id)
        return Ended(reason=REPLICA_ENDED, detail="The replica ended.", code=code) if taken else Ended(reason=EXITED, code=code)

    async def _let_go(self, exec_id: str) -> None:
        """End a process that has not ended by itself. While the engine does not answer it stays noted, for the next start."""
        if exec_id in self._ledger and await end(self._engine, exec_id):
            self._ledger.forget(exec_id)


async def carry(channel: Channel, process: Exec) -> int | None:
    """Bytes both ways until the process is over; its exit code."""
    feeding = asyncio.create_task(_feed(channel, process))
    try:
        while (piece := await process.read()) is not None:
            stream, data = piece
            await channel.send(data, ERRORS if stream == STDERR else BYTES)
        return await process.exit_code()
    finally:
        feeding.cancel()
        process.close()


async def _feed(channel: Channel, process: Exec) -> None:
    while (frame := await channel.receive()) is not None:
        if frame.tag == BYTES:
            await process.write(frame.body)
        elif frame.tag == RESIZE:
            size = msgspec.json.decode(frame.body, type=Resize)
            await process.resize(size.cols, size.rows)
        elif frame.tag == END_OF_INPUT:
            process.close_input()


def _preference(replica: Replica) -> tuple[bool, bool, bool, object]:
    """One of `web`, that serves before one that starts or leaves; of those the newest, and of these the first."""
    serves = replica.health in {Health.HEALTHY, Health.UNSEEN}
    return (replica.key.is_web, not replica.leaving, serves, (replica.key.generation, -replica.key.slot))
