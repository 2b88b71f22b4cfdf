"""The steps of runs. Those of one run share a job."""

from services.runtime.steps import Step


class OnErrand(Step, frozen=True):
    errand: str

    @property
    def job(self) -> str:
        return f"run {self.errand}"


class CreateRunner(OnErrand, frozen=True):
    pass


class StartRunner(OnErrand, frozen=True):
    container: str


class TellLines(OnErrand, frozen=True):
    """Store what it has written by now."""

    container: str


class StopRunner(OnErrand, frozen=True):
    """TERM, and KILL after ten seconds: it was cancelled, or its time is up."""

    container: str


class EndErrand(OnErrand, frozen=True):
    """Keep its log and say how it ended. `container` is empty where there is none: it was cancelled before, or its container was lost."""

    container: str = ""


class RemoveRunner(OnErrand, frozen=True):
    """Nobody waits for it any more: its end is known, or it was taken back."""

    container: str
