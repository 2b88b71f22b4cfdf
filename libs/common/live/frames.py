"""What goes over the bus in a session: a head of 18 bytes, then the bytes themselves. Pure."""

import struct
from typing import NamedTuple

DATA, BEAT, CLOSE = 1, 2, 3
_KINDS = (DATA, BEAT, CLOSE)
_HEAD = struct.Struct(">BBQQ")

LARGEST = 128 * 1024
"""Of a frame's body, in bytes: far below the bus's limit of 1 MiB a message."""
_KEEPING = 128
"""What a frame costs beside its bytes, so that a million empty ones are not for nothing."""


class Frame(NamedTuple):
    """`tag` is the session kind's own, of what `body` is.

    `number` counts the frames of data from 1 on: of a frame of data its own, of every other the last that was sent before it.
    `granted` is how much the receiver of this frame may have sent since the beginning, as `cost` counts it.
    """

    kind: int
    tag: int
    number: int
    granted: int
    body: bytes

    @property
    def cost(self) -> int:
        return cost(len(self.body))


def cost(size: int) -> int:
    """What a frame with a body of `size` bytes takes of the credit."""
    return size + _KEEPING


def pack(frame: Frame) -> bytes:
    return _HEAD.pack(frame.kind, frame.tag, frame.number, frame.granted) + frame.body


def unpack(message: bytes) -> Frame:
    """Read a frame; `ValueError` when it is none."""
    if len(message) < _HEAD.size:
        raise ValueError("shorter than a frame's head")
    kind, tag, number, granted = _HEAD.unpack_from(message)
    if kind not in _KINDS:
        raise ValueError(f"no frame is of kind {kind}")
    return Frame(kind, tag, number, granted, message[_HEAD.size :])
