"""Errors as answers: RFC 9457, one shape for every error of this server."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.common.errors import DockupError
from services.api.http.catalogue import CATALOGUE, Code


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """`pointer` is a JSON pointer into the body (`/internal_port`), or the name of a query or path parameter after a slash."""

    pointer: str
    detail: str


class Problem(DockupError):
    """Raise it anywhere below a controller: it becomes the answer.

    `code` must be in the catalogue, which gives status, title, hint and retryable. `members` are added to the body as they are
    (`deployment=…`, `restart_after=…`).
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        hint: str = "",
        **members: object,
    ) -> None:
        self.entry: Code = CATALOGUE[code]
        self.detail = detail or f"{self.entry.title}."
        super().__init__(f"{code}: {self.detail}")
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.hint = hint or self.entry.hint
        self.members = members

    @property
    def code(self) -> str:
        return self.entry.code

    @property
    def status(self) -> int:
        return self.entry.status or 500

    def body(self, base_url: str, request_id: str) -> dict[str, object]:
        """The members of the answer; `type` is a page on this server (`base_url` without a slash at its end)."""
        return {
            "type": f"{base_url}/api/v1/errors/{self.code}",
            "title": self.entry.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "hint": self.hint,
            "retryable": self.entry.retryable,
            "request_id": request_id,
            **({"errors": self.errors} if self.errors else {}),
            **self.members,
        }


def invalid(pointer: str, detail: str) -> Problem:
    """`400 validation_failed` for one field."""
    return Problem("validation_failed", f"{pointer}: {detail}", errors=(FieldError(pointer=pointer, detail=detail),))


def not_found(what: str, name: str) -> Problem:
    """`404`, for what does not exist and for what is somebody else's: the two look the same."""
    return Problem("not_found", f"There is no {what} {name!r}.")
