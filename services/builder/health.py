"""Whether the builder can work: what `ping` answers, and what is asked before a command is fetched."""

from libs.common.engine.connect import Engine
from libs.common.engine.errors import EngineAway, EngineError
from libs.common.worker import Worker
from services.builder.build.run import Builder
from services.builder.desired import Deleted


class Health:
    def __init__(self, deleted: Deleted) -> None:
        self._deleted = deleted
        self._engine: Engine | None = None
        self._worker: Worker | None = None
        self._builder: Builder | None = None

    def watch(self, engine: Engine, worker: Worker, builder: Builder) -> None:
        self._engine = engine
        self._worker = worker
        self._builder = builder

    async def ready(self) -> bool:
        return self._deleted.listed.is_set() and not await self._trouble()

    async def check(self) -> tuple[str, str]:
        trouble = await self._trouble() or self._unknown() or (self._builder.trouble if self._builder else "")
        return ("degraded", trouble) if trouble else ("ok", "")

    async def _trouble(self) -> str:
        if self._engine is None:
            return "the Docker Engine has not answered yet"
        try:
            await self._engine.ping()
        except (EngineAway, EngineError) as error:
            return str(error)
        return ""

    def _unknown(self) -> str:
        names = self._worker.unknown if self._worker else ()
        return f"commands of a newer version wait: {', '.join(sorted(names))}" if names else ""
