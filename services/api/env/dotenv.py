"""A file in the usual notation of `.env`, as python-dotenv reads it. Nothing in it is filled in from our own environment."""

from io import StringIO

from dotenv.parser import parse_stream

from services.api.http.problems import FieldError, Problem

_MOST_ERRORS = 20
_MARK = "\ufeff"
"""What some editors begin a file with."""


def parse(text: str) -> dict[str, str]:
    """Names and values; the last of two with one name counts. `400` naming the lines that are none, the first of many.

    Half a megabyte takes a second: call it in a thread.
    """
    found: dict[str, str] = {}
    errors: list[FieldError] = []
    for binding in parse_stream(StringIO(text.removeprefix(_MARK))):
        if binding.error or (binding.key is not None and binding.value is None):
            errors.append(FieldError(pointer="/dotenv", detail=f"line {binding.original.line} is not NAME=value"))
            if len(errors) == _MOST_ERRORS:
                break
        elif binding.key is not None:
            found[binding.key] = binding.value or ""
    if errors:
        raise Problem("validation_failed", f"{errors[0].detail}.", errors=errors)
    return found
