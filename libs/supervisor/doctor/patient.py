"""Whom the doctor looks at: one installation, as its folder, its settings and its own status tell of it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from libs.common.engine import containers
from libs.common.engine.connect import Engine, EngineInfo
from libs.common.engine.containers import ContainerListed
from libs.common.engine.errors import EngineAway, EngineError
from libs.supervisor import process, ready, settings
from libs.supervisor.doctor import records
from libs.supervisor.doctor.records import Records
from libs.supervisor.home import Home, State
from libs.supervisor.settings import Settings


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is what the API says, None when it does not answer. Of what could not be asked the trouble says why.

    `engine_ahead` is how many seconds the engine's clock is ahead of ours.
    """

    home: Home
    state: State | None
    environ: Mapping[str, str]
    settings: Settings
    up: bool
    status: dict[str, Any] | None
    engine: EngineInfo | None = None
    engine_trouble: str = ""
    engine_ahead: float = 0.0
    containers: tuple[ContainerListed, ...] = ()
    records: Records | None = None
    records_trouble: str = ""

    @property
    def database_url(self) -> str:
        url = self.environ.get("DOCKUP_DATABASE_URL", "")
        return url if url.startswith("postgresql") else ""

    def told(self, service: str) -> Mapping[str, str]:
        """What a service of it is told."""
        if self.state is None or self.state.ports is None:
            return {}
        return settings.service_environment(service, self.home, self.state, self.environ)


async def receive(home: Home) -> Patient:
    """Ask everything that several checks look at. `SettingError` for settings that cannot be read."""
    environ = settings.environment(home)
    state = home.load() if home.state_file.exists() else None
    patient = Patient(
        home=home,
        state=state,
        environ=environ,
        settings=settings.settings_of(environ),
        up=process.running(home.pid_file("supervisor")) is not None,
        status=ready.status(state.ports.api) if state and state.ports else None,
    )
    return await _with_records(await _with_engine(patient))


async def _with_engine(patient: Patient) -> Patient:
    try:
        engine = await Engine.open(patient.settings.docker_host)
    except (EngineAway, EngineError) as error:
        return msgspec.structs.replace(patient, engine_trouble=str(error))
    try:
        before = time.time()
        info = await engine.info()
        middle = (before + time.time()) / 2
        found = await containers.list_ours(engine, patient.state.instance) if patient.state else []
    except (EngineAway, EngineError) as error:
        return msgspec.structs.replace(patient, engine_trouble=str(error))
    finally:
        engine.close()
    return msgspec.structs.replace(patient, engine=info, engine_ahead=info.seconds_ahead(middle), containers=tuple(found))


async def _with_records(patient: Patient) -> Patient:
    file = patient.home.root / "api" / "dockup.db"
    if not patient.database_url and not file.exists():
        return msgspec.structs.replace(patient, records_trouble="there is no database yet")
    try:
        return msgspec.structs.replace(patient, records=await records.read(patient.database_url, file))
    except records.FAULTS as error:
        return msgspec.structs.replace(patient, records_trouble=str(error) or type(error).__name__)


def existing(path: Path) -> Path:
    """The path or the nearest of its parents that is there."""
    return next(each for each in (path, *path.parents) if each.exists())
