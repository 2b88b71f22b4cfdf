"""Secrets in output: whatever way a program prints one, it does not get through."""

import base64
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.masking import Lines, Masker, forms
from libs.common.secrets import MASK

SECRET = "hunter2-s3cr3t/+pass word"
PEM = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"


def shown(secret: str, *lines: str) -> list[str]:
    stream = Lines(Masker([secret]))
    return [text for line in lines for text in stream.take(line)] + stream.end()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("nothing here",), ["nothing here"]),
        ((f"a {SECRET} b",), [f"a {MASK} b"]),
        ((f"{SECRET}{SECRET}", "x"), [f"{MASK}{MASK}", "x"]),
        (("a hunter2-s3c", "r3t/+pass word b"), [f"a {MASK}", " b"]),
        (("a hunter2", "-s3cr3t/", "+pass word", "b"), [f"a {MASK}", "", "", "b"]),
        (("a hunter2-s3c", "other"), ["a hunter2-s3c", "other"]),
        (("hun", "hunter2-s3cr3t/+pass word"), ["hun", MASK]),
        (("a hunter2-s3c", "r3t/+pass word hunter2", "x"), [f"a {MASK}", " hunter2", "x"]),
        (("h", "unter2-s3cr3t/+pass word."), ["h", f"{MASK}."]),
        (("the end hunter2-s3cr3t",), [f"the end {MASK}"]),
        (("the end hunt",), ["the end hunt"]),
        ((f"{SECRET} hunter2", "-s3cr3t/+pass word"), [f"{MASK} {MASK}", ""]),
    ],
)
def test_lines(lines: tuple[str, ...], expected: list[str]) -> None:
    assert shown(SECRET, *lines) == expected


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc", b"user:"])
@pytest.mark.parametrize("after", [b"", b"\n", b"xy", b"@host"])
@pytest.mark.parametrize("width", [1000, 76, 12])
def test_base64_wherever_the_secret_stands_and_however_it_is_wrapped(before: bytes, after: bytes, width: int) -> None:
    text = base64.b64encode(before + SECRET.encode() + after).decode()
    seen = "".join(shown(SECRET, *(text[start : start + width] for start in range(0, len(text), width))))
    assert MASK in seen
    assert len(seen.replace(MASK, "")) <= 16


def test_json_urls_and_hex() -> None:
    secret = 'quo"te\\ and &'
    for text in ('"quo\\"te\\\\ and &"', "quo%22te%5C%20and%20%26", secret.encode().hex()):
        assert "te" not in "".join(shown(secret, text))


def test_a_key_of_several_lines_and_each_of_its_lines() -> None:
    assert "".join(shown(PEM, *PEM.splitlines())).replace(MASK, "") == ""
    assert shown(PEM, "x MIIBVgIBADANBgkq y") == [f"x {MASK} y"]


def test_what_is_too_short_would_mask_everything() -> None:
    assert forms("abc") == frozenset()
    assert shown("abc", "abcabc") == ["abcabc"]


@example("aabaa", "aab", [2])
@given(st.text("ab", min_size=5, max_size=9), st.text("ab ", max_size=40), st.lists(st.integers(0, 60), max_size=6))
def test_no_secret_gets_through_however_it_is_cut(secret: str, noise: str, cuts: list[int]) -> None:
    text = noise + secret + noise
    marks = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    lines = [text[start:end] for start, end in pairwise(marks)]
    seen = shown(secret, *lines)
    assert len(seen) == len(lines)
    assert secret not in "".join(seen)


@given(st.lists(st.text("xyz 123", max_size=30), max_size=20))
def test_what_is_no_secret_stays(lines: list[str]) -> None:
    assert shown(SECRET, *lines) == lines
