"""How much each side of a session may send, and whether all of it came. Pure counting, no waiting."""

from libs.common.live.frames import DATA, Frame

WINDOW = 256 * 1024
"""What one side may send ahead of what the other has taken, in bytes."""


class Hole(Exception):
    """A frame is missing, comes twice, or is more than was granted."""


class Flow:
    """One side's counts. `sent` and `heard` number the frames of data; the rest are sums of their costs since the beginning."""

    def __init__(self, window: int = WINDOW) -> None:
        self.sent = 0
        self.heard = 0
        self.grants = window
        """What the other side may have sent in all, as of now."""
        self._window = window
        self._said = 0
        self._may = 0
        self._spent = 0
        self._came = 0

    def may_send(self, cost: int) -> bool:
        return self._spent + cost <= self._may

    def send(self, cost: int) -> None:
        """A frame of data went out."""
        self.sent += 1
        self._spent += cost

    def hear(self, frame: Frame) -> None:
        """Any frame came. `Hole` when this one or an earlier one is not as it must be."""
        # What is on its way may have been sent before a later grant: the greatest stands.
        self._may = max(self._may, frame.granted)
        due = self.heard + 1 if frame.kind == DATA else self.heard
        if frame.number != due:
            raise Hole(f"frame {frame.number} came where {due} was due")
        if frame.kind != DATA:
            return
        self.heard = frame.number
        self._came += frame.cost
        if self._came > self.grants:
            raise Hole(f"{self._came} bytes came where {self.grants} were granted")

    def take(self, cost: int) -> bool:
        """The reader took a frame: as much more is granted. True when it is time to tell the other side."""
        self.grants += cost
        return self.grants - self._said >= self._window // 2

    def said(self) -> None:
        """A frame with `grants` went out."""
        self._said = self.grants
