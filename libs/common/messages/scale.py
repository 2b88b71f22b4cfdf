"""How many replicas an app has while its load decides: KV `scale`, key = `app_id`, written by compare-and-set."""

import msgspec


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """The number that was decided last; whoever reads it clamps it to the bounds of the app's `Autoscale`, without which it is void.

    0: the app sleeps. `by` is `metrics` (its load, or that nobody asked it anything) or `router` (a request woke it). `at` is RFC 3339
    and only rises (`scaling.later`); `number` counts the app's decisions. `before` is the number until then, `passed` the field of the
    policy whose value `figures` passed.
    """

    app_id: str
    replicas: int
    at: str
    by: str
    number: int = 1
    reason: str = ""
    before: int | None = None
    passed: str = ""
    figures: dict[str, float] = {}
    v: int = 1
