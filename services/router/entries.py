"""Entries of the host map: a backend, and behind a slash that its app is paused. Pure."""

PAUSED = "paused"


def entry(backend: str, *, paused: bool) -> str:
    return f"{backend}/{PAUSED}" if paused else backend


def backend_of(found: str) -> str:
    return found.partition("/")[0]
