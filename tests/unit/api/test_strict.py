"""Tables of bodies: what is read, and how each wrong one is named."""

from typing import Annotated, Any

import msgspec
import pytest

from services.api.http import strict
from services.api.http.catalogue import CATALOGUE
from services.api.http.problems import Problem
from services.api.http.strict import Body, DisplayName

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z]+$", description="lower-case letters")]


class Check(Body, frozen=True, kw_only=True):
    path: str
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 1


class New(Body, frozen=True, kw_only=True):
    name: DisplayName
    slug: Slug | None = None
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 80
    check: Check | None = None
    tags: tuple[str, ...] = ()
    env: dict[str, str | None] = msgspec.field(default_factory=dict)
    names: dict[Annotated[str, msgspec.Meta(pattern="^[A-Z]+$", description="capital letters")], int] | msgspec.UnsetType = msgspec.UNSET
    limit: float | msgspec.UnsetType | None = msgspec.UNSET


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"name":"a"}', New(name="a")),
        ('{"name":"Łódź 東京 🚀"}'.encode(), New(name="Łódź 東京 🚀")),
        (b' {"name":"\\u00e9\\ud83d\\ude80"}\n', New(name="é🚀")),
        (b'{"name":"a","limit":null}', New(name="a", limit=None)),
        (
            b'{"name":"a","check":{"path":"/"},"tags":["x"],"env":{"A":null}}',
            New(name="a", check=Check(path="/"), tags=("x",), env={"A": None}),
        ),
        (b'{"name":"a","env":{"A":"line\\n"}}', New(name="a", env={"A": "line\n"})),
    ],
)
def test_what_fits_is_read(body: bytes, expected: New) -> None:
    assert strict.decode(body, New) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name":"a"}}',
        b"{'name':'a'}",
        b'{"name":"a",}',
        b'{"name":"a","name":"b"}',
        b'{"name":"a","check":{"path":"/","path":"/"}}',
        b'{"name":"a","limit":NaN}',
        b'{"name":"a","limit":Infinity}',
        b'{"name":"a","limit":-Infinity}',
        b'{"name":"a","limit":1e999}',
        b'{"name":"a\x01"}',
        b'{"name":"a\\u0000"}',
        b'{"name":"a","env":{"A\\u0000":"x"}}',
        b'{"name":"\\ud800"}',
        b'{"name":"\xff"}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"name":"a","port":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(Problem) as raised:
        strict.decode(body, New)
    assert raised.value.code == "malformed_json"


@pytest.mark.parametrize(
    ("body", "code", "pointers"),
    [
        (b"{}", "validation_failed", ["/name"]),
        (b"[]", "validation_failed", [""]),
        (b"null", "validation_failed", [""]),
        (b'{"name":"a","port":"80"}', "validation_failed", ["/port"]),
        (b'{"name":"a","port":true}', "validation_failed", ["/port"]),
        (b'{"name":"a","port":80.5}', "validation_failed", ["/port"]),
        (b'{"name":"a","port":80.0}', "validation_failed", ["/port"]),
        (b'{"name":"a","port":0}', "validation_failed", ["/port"]),
        (b'{"name":1,"port":65536,"slug":"A"}', "validation_failed", ["/name", "/port", "/slug"]),
        (b'{"name":"a","check":{"seconds":0}}', "validation_failed", ["/check/path", "/check/seconds"]),
        (b'{"name":"a","tags":["x",1]}', "validation_failed", ["/tags/1"]),
        (b'{"name":"a\\u0007"}', "validation_failed", ["/name"]),
        (b'{"name":"a\\n"}', "validation_failed", ["/name"]),
        (b'{"name":"a","slug":"a\\n"}', "validation_failed", ["/slug"]),
        (b'{"name":"a\\u2028"}', "validation_failed", ["/name"]),
        (b'{"name":""}', "validation_failed", ["/name"]),
        (b'{"name":" \\u00a0 "}', "validation_failed", ["/name"]),
        (b'{"name":"a\\u202eb"}', "validation_failed", ["/name"]),
        (b'{"name":"a","env":{"A":1,"B":"x"}}', "validation_failed", ["/env/A"]),
        (b'{"name":"a","names":{"A/b~c":1,"OK":1,"D":"x"}}', "validation_failed", ["/names/A~1b~0c", "/names/D"]),
        (b'{"name":"a","nmae":"b"}', "unknown_field", ["/nmae"]),
        (b'{"name":"a","a/b~c":1}', "unknown_field", ["/a~1b~0c"]),
        (b'{"name":"a","check":{"path":"/","paht":1},"x":1}', "unknown_field", ["/check/paht", "/x"]),
        (b'{"name":2,"x":1}', "unknown_field", ["/x", "/name"]),
    ],
)
def test_every_wrong_field_is_named(body: bytes, code: str, pointers: list[str]) -> None:
    with pytest.raises(Problem) as raised:
        strict.decode(body, New)
    assert raised.value.code == code
    assert [error.pointer for error in raised.value.errors] == pointers


def test_a_grammar_is_said_in_words() -> None:
    with pytest.raises(Problem) as raised:
        strict.decode(b'{"name":"a","slug":"A"}', New)
    assert raised.value.detail == "/slug: takes lower-case letters."


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_says_what_to_do(code: str) -> None:
    entry: Any = CATALOGUE[code]
    assert entry.title
    assert not entry.title.endswith(".")
    assert entry.hint.endswith(".")
    assert entry.status is None or 400 <= entry.status <= 599
