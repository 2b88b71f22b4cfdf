"""What the routes about the secret key give."""

import msgspec


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """One key: the start of its SHA-256, and how many values that are stored, or wait on the bus, only it opens."""

    id: str
    values: int


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """`keys`: the one that encrypts first. `unreadable`: values that none of them opens."""

    keys: list[KeyUse]
    unreadable: int


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """How many values were put under the first key; what stood under it before is not among them."""

    values: int
