"""What is bounded is bounded in bytes as they are sent."""

import msgspec
import pytest

from libs.common.bounds import cut, newest, size
from libs.common.errors import failure

HUGE = {
    "plain": "x" * 2_000_000,
    "control characters": "\0" * 1_000_000,
    "quotes": '"' * 1_000_000,
    "four bytes each": "\U0001f600" * 500_000,
    "mixed": "a\0é\U0001f600" * 200_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("most", [100, 101, 102, 103, 4_000, 64_000])
def test_a_long_text_is_cut_and_says_by_how_much(text: str, most: int) -> None:
    short = cut(text, most)
    assert most - 12 <= size(short) <= most
    kept, _, mark = short.rpartition(" … [")
    assert text.startswith(kept)
    assert mark == f"{len(text.encode()) - len(kept.encode())} bytes cut]"


@pytest.mark.parametrize("text", ["", "x" * 98, "\0" * 16, "é" * 49])
def test_what_fits_stays(text: str) -> None:
    assert cut(text, 100) == text


def test_the_newest_stay() -> None:
    assert newest(["a", "b", "c"], each=10, most=8) == ("b", "c")
    assert newest([], each=10, most=8) == ()


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_a_failure_always_fits_into_a_message(text: str) -> None:
    made = failure("deploying", "container_exited", text, evidence=(text,) * 100, hint=text)
    assert len(msgspec.json.encode(made)) < 100_000
    assert made.evidence
    assert made.evidence[-1].endswith("bytes cut]")
