"""The end of a work on an image that brings none."""

from libs.common import errors
from libs.common.messages.failure import Failure


class Failed(Exception):
    """There will be no image; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def because(
    code: str, text: str, *, evidence: tuple[str, ...] = (), hint: str | None = None, data: dict[str, object] | None = None
) -> Failed:
    """A `Failed` of the phase `building`, to be raised."""
    return Failed(errors.failure("building", code, text, evidence=evidence, hint=hint, data=data))
