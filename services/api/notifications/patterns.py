"""Which event a hook wants. Pure."""

from collections.abc import Iterable


def wants(patterns: Iterable[str], event_type: str) -> bool:
    """`*` is every event, `deployment.*` all of one kind."""
    kind = event_type.partition(".")[0]
    return any(pattern in {"*", event_type, f"{kind}.*"} for pattern in patterns)
