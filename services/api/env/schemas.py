"""What is imported."""

from typing import Annotated

import msgspec

from services.api.http.strict import Body


class DotEnv(Body, frozen=True, kw_only=True):
    """`dotenv` is the text of a `.env` file. `replace`: what it does not name is removed."""

    dotenv: Annotated[str, msgspec.Meta(max_length=512 * 1024, description="NAME=value, a line each")]
    replace: bool = False
