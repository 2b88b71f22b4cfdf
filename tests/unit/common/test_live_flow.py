"""Credit and numbers of a live session, without a bus."""

import pytest

from libs.common.live.flow import Flow, Hole
from libs.common.live.frames import BEAT, CLOSE, DATA, Frame, cost, pack, unpack


def data(number: int, body: bytes = b"x", granted: int = 0) -> Frame:
    return Frame(DATA, 0, number, granted, body)


@pytest.mark.parametrize("frame", [Frame(DATA, 7, 2**40, 2**50, b"\x00\xff" * 9), Frame(BEAT, 0, 0, 0, b""), Frame(CLOSE, 0, 3, 4, b"{}")])
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    assert unpack(pack(frame)) == frame


@pytest.mark.parametrize("message", [b"", b"\x01" * 17, b"\x09" + b"\x00" * 17])
def test_what_is_no_frame_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="frame"):
        unpack(message)


def test_nothing_may_be_sent_before_a_grant_and_no_more_than_it_says() -> None:
    flow = Flow()
    assert not flow.may_send(1)
    flow.hear(Frame(BEAT, 0, 0, 1000, b""))
    assert flow.may_send(1000)
    assert not flow.may_send(1001)
    flow.send(600)
    assert not flow.may_send(401)
    flow.hear(Frame(BEAT, 0, 0, 900, b""))  # said before the last one, heard after it
    assert flow.may_send(400)


def test_the_other_side_is_told_once_half_of_the_window_was_taken() -> None:
    flow = Flow(1000)
    flow.said()
    assert not flow.take(499)
    assert flow.take(1)
    flow.said()
    assert not flow.take(499)
    assert flow.grants == 1999


@pytest.mark.parametrize(
    "frames",
    [
        [data(2)],
        [data(1), data(1)],
        [data(1), data(3)],
        [data(1), Frame(BEAT, 0, 2, 0, b"")],
        [data(1), Frame(CLOSE, 0, 0, 0, b"")],
        [data(1, b"x" * 2000)],
    ],
    ids=["first-lost", "twice", "one-lost", "last-lost", "close-of-another", "more-than-granted"],
)
def test_a_hole_is_noticed(frames: list[Frame]) -> None:
    flow = Flow(cost(1) * 4)
    *before, last = frames
    for frame in before:
        flow.hear(frame)
    with pytest.raises(Hole):
        flow.hear(last)
