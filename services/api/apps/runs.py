"""The copy of an app's open runs in its own row, as the runtime is told of them."""

import msgspec

from libs.common.messages.api import Run
from services.api.apps.models import AppRow

_decoder = msgspec.json.Decoder(tuple[Run, ...])


def open_runs(app: AppRow) -> tuple[Run, ...]:
    return _decoder.decode(app.runs)


def note(app: AppRow, run: Run) -> None:
    """Bring in a run that is new, or another than it was."""
    others = [other for other in open_runs(app) if other.id != run.id]
    app.runs = msgspec.json.encode(sorted([*others, run], key=lambda one: one.id)).decode()


def forget(app: AppRow, run_id: str) -> None:
    """It has ended: its container may go."""
    app.runs = msgspec.json.encode([run for run in open_runs(app) if run.id != run_id]).decode()
