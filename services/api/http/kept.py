"""An answer that is put together once and given many times."""

from typing import Any

from litestar import Response
from litestar.enums import MediaType
from litestar.response.base import ASGIResponse


class Kept(Response[Any]):
    """Bytes of JSON with their headers, status 200. Giving it again costs nothing but the sending."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(body, media_type=MediaType.JSON, headers=headers)
        self._made: ASGIResponse | None = None

    def to_asgi_response(self, *arguments: Any, **options: Any) -> ASGIResponse:  # noqa: ANN401 - as Litestar has it
        if self._made is None:
            self._made = super().to_asgi_response(*arguments, **options)
        return self._made
