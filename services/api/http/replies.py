"""Answers whose bytes are there already: of `idempotency.once`, and of what is encoded once."""

from typing import Any

from litestar import Response
from litestar.enums import MediaType

from services.api.idempotency import Answer

JSON = MediaType.JSON


def reply(answer: Answer) -> Response[Any]:
    """The answer of `once`, marked when it is the first one again."""
    headers = {**answer.headers, **({"Idempotent-Replay": "true"} if answer.replayed else {})}
    return Response(answer.body, status_code=answer.status, media_type=JSON, headers=headers)
