"""ETags of settings, and `If-Match`: who changes something says what they saw of it."""

import hashlib
from typing import Annotated

import msgspec
from litestar.params import HeaderParameter

from services.api.http.problems import Problem

IfMatch = Annotated[str | None, HeaderParameter(name="If-Match", description="Change only what still has this ETag.")]


def etag(settings: object) -> str:
    """Of what somebody set; anything that msgspec can write."""
    return f'"{hashlib.sha256(msgspec.json.encode(settings)).hexdigest()[:32]}"'


def check(if_match: str | None, tag: str) -> None:
    """`412` unless the client saw the settings as they are, which `tag` stands for."""
    if if_match is None or if_match.strip() == "*":
        return
    if tag not in (each.strip().removeprefix("W/") for each in if_match.split(",")):
        raise Problem("precondition_failed", "The settings changed since they were read.", headers={"ETag": tag})
