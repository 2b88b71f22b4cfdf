"""What the routes of recovery take and give."""

from typing import Literal

import msgspec

from services.api.http.strict import Body
from services.api.recovery.differences import Difference


class RecoveryBody(Body, frozen=True, kw_only=True):
    """`adopt`: what runs wins. `enforce`: the database wins, and what it does not know is removed."""

    mode: Literal["adopt", "enforce"]


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """`needed`: writes answer `503 recovery_needed` until it is decided. `apps`: each one on which the two disagree."""

    needed: bool
    since: str | None
    reason: str | None
    apps: list[Difference]


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """`apps`: each one on which the two disagreed before."""

    mode: Literal["adopt", "enforce"]
    apps: list[Difference]
