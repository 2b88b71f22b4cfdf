"""Nothing is silently ignored: JSON bodies are read here, and every wrong field is named."""

import json
import math
import re
from typing import Annotated, NoReturn, TypeVar, get_args, get_origin

import msgspec
from litestar.params import Parameter

from services.api.http.problems import FieldError, Problem

T = TypeVar("T")

_UNSEEN = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_READABLE = rf"^[^{_UNSEEN}]*[^\s{_UNSEEN}][^{_UNSEEN}]*$"
_NAME_SAYS = "1 to 100 characters, not blank, no control characters"

DisplayName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=_READABLE, description=_NAME_SAYS)]
"""What a person calls something: any script, no control characters, nothing that turns the direction of what follows."""

_ID = re.compile(r"[0-9a-z]{1,40}")

Limit = Annotated[int, Parameter(ge=1, le=200, description="How many items a page has at most.")]
Cursor = Annotated[str | None, Parameter(max_length=200, description="The next_cursor of the page before.")]
DryRun = Annotated[bool, Parameter(description="Change nothing; answer the plan.")]
Wait = Annotated[int | None, Parameter(ge=1, le=600, description="Seconds to hold the answer until the work has ended.")]


def check_cursor(cursor: str | None, prefix: str) -> str | None:
    """Return the cursor of a list of ids that begin with `prefix`; `400 invalid_cursor` for what no list gave."""
    if cursor is not None and not (cursor.startswith(prefix) and _ID.fullmatch(cursor.removeprefix(prefix))):
        raise Problem("invalid_cursor")
    return cursor


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every request body. A field of a PUT that may be left out is `X | msgspec.UnsetType = msgspec.UNSET`."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every list: subclasses add `items: list[X]`. `next_cursor` is None on the last page."""

    next_cursor: str | None = None


def decode(body: bytes, kind: type[T]) -> T:
    """Read one JSON value of `kind`; `Problem` naming every field that is wrong.

    A grammar that ends in `$` would let a newline at the end pass: such a text is looked at again.
    """
    value = parse(body)
    result = convert(value, kind)
    if b'\\n"' in body and (wrong := _inspect(value, kind, "")[1]):
        raise _validation_failed(wrong)
    return result


def parse(body: bytes) -> object:
    """JSON by the letter: UTF-8, each name once, finite numbers, no NUL and no lone surrogate in a string."""
    try:
        value: object = json.loads(body.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_constant, parse_float=_finite)
        if b"\\u" in body:
            _check_text(value)
    except (ValueError, RecursionError) as error:
        raise Problem("malformed_json", f"The body is not valid JSON: {error}.") from error
    return value


def convert(value: object, kind: type[T]) -> T:
    """Turn parsed JSON into `kind`, without coercing; `Problem` naming every field that is wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        unknown, wrong = _inspect(value, kind, "")
        if unknown:
            raise Problem("unknown_field", f"There is no field {_names(unknown)}.", errors=unknown + wrong) from error
        raise _validation_failed(wrong or [_from_message(str(error), "")]) from error


def _validation_failed(wrong: list[FieldError]) -> Problem:
    return Problem("validation_failed", f"{wrong[0].pointer or 'The body'}: {wrong[0].detail}.", errors=wrong)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is too large")
    return number


def _check_text(value: object) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a string holds the character U+0000")
        value.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name)
            _check_text(member)
    elif isinstance(value, list):
        for member in value:
            _check_text(member)


def _names(errors: list[FieldError]) -> str:
    return ", ".join(error.pointer for error in errors)


def _inspect(value: object, kind: object, pointer: str) -> tuple[list[FieldError], list[FieldError]]:
    """Unknown and wrong fields of `value`, field by field: msgspec itself stops at the first."""
    struct = _struct_in(kind)
    if isinstance(value, list) and (item := _item_in(kind)) is not None:
        return _inspect_items(value, item, pointer)
    if struct is None and isinstance(value, dict) and (names := _dict_in(kind)) is not None:
        return _inspect_members(value, names, pointer)
    if struct is None or not isinstance(value, dict):
        return [], _wrong(value, kind, pointer)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    unknown = [FieldError(pointer=_join(pointer, name), detail="is not a field") for name in value if name not in fields]
    wrong = [
        FieldError(pointer=_join(pointer, name), detail="is missing")
        for name, field in fields.items()
        if field.required and name not in value
    ]
    for name in value.keys() & fields.keys():
        below_unknown, below_wrong = _inspect(value[name], fields[name].type, _join(pointer, name))
        unknown += below_unknown
        wrong += below_wrong
    return sorted(unknown, key=lambda error: error.pointer), sorted(wrong, key=lambda error: error.pointer)


def _inspect_items(value: list[object], item: object, pointer: str) -> tuple[list[FieldError], list[FieldError]]:
    found = [_inspect(each, item, f"{pointer}/{number}") for number, each in enumerate(value)]
    return [error for unknown, _ in found for error in unknown], [error for _, wrong in found for error in wrong]


def _item_in(kind: object) -> object | None:
    """The struct that the items of the list are that `kind` is or may be."""
    if get_origin(kind) is list:
        return get_args(kind)[0] if _struct_in(get_args(kind)[0]) is not None else None
    found = [item for argument in get_args(kind) if get_origin(kind) is not dict and (item := _item_in(argument)) is not None]
    return found[0] if len(found) == 1 else None


def _wrong(value: object, kind: object, pointer: str) -> list[FieldError]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _from_message(str(error), pointer)
        says = _meta(kind).description if found.pointer == pointer and isinstance(value, str) else None
        return [FieldError(pointer=pointer, detail=f"takes {says}") if says else found]
    pattern = _meta(kind).pattern if isinstance(value, str) and value.endswith("\n") else None
    return [FieldError(pointer=pointer, detail="ends in a newline")] if pattern else []


def _meta(kind: object) -> msgspec.Meta:
    """What `kind` says of a text, through `Annotated` and `X | None`."""
    if get_origin(kind) is Annotated:
        return next((item for item in get_args(kind)[1:] if isinstance(item, msgspec.Meta)), msgspec.Meta())
    found = [_meta(argument) for argument in get_args(kind) if get_origin(argument) is Annotated]
    return found[0] if found else msgspec.Meta()


def _struct_in(kind: object) -> type[msgspec.Struct] | None:
    """The struct that `kind` is or may be, through `Annotated` and `X | None`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    arguments = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    found = [struct for argument in arguments if (struct := _struct_in(argument)) is not None]
    return found[0] if len(found) == 1 and get_origin(kind) not in {list, tuple, dict} else None


def _dict_in(kind: object) -> tuple[object, object] | None:
    """What the names and the values of the object are that `kind` is or may be."""
    if get_origin(kind) is dict:
        name, value = get_args(kind)
        return name, value
    found = [names for argument in get_args(kind) if (names := _dict_in(argument)) is not None]
    return found[0] if len(found) == 1 and get_origin(kind) is not list else None


def _inspect_members(value: dict[str, object], kinds: tuple[object, object], pointer: str) -> tuple[list[FieldError], list[FieldError]]:
    unknown: list[FieldError] = []
    wrong: list[FieldError] = []
    for name, member in value.items():
        at = _join(pointer, name)
        wrong += [FieldError(pointer=at, detail=error.detail) for error in _wrong(name, kinds[0], "")[:1]]
        below_unknown, below_wrong = _inspect(member, kinds[1], at)
        unknown += below_unknown
        wrong += below_wrong
    return unknown, wrong


def _join(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def _from_message(message: str, pointer: str) -> FieldError:
    """What msgspec says (`Expected `int`, got `str` - at `$.a[0]``), with the path as a pointer."""
    detail, _, path = message.partition(" - at `")
    steps = path.rstrip("`").removeprefix("$").replace("[...]", "").replace("[", ".").replace("]", "")
    below = "".join(_join("", step) for step in steps.split(".") if step)
    return FieldError(pointer=pointer + below, detail=detail.replace("`", ""))
