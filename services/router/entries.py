"""Entries of the host map: a backend, and behind a slash that its app is paused or sleeps. Pure."""

from libs.common.messages.runtime import Route

PAUSED = "paused"
ASLEEP = "asleep"


def state_of(route: Route) -> str:
    """`paused` wins: a request does not wake what its owner has put to rest."""
    return PAUSED if route.paused else ASLEEP if route.asleep else ""


def entry(backend: str, state: str) -> str:
    return f"{backend}/{state}" if state else backend


def backend_of(found: str) -> str:
    return found.partition("/")[0]
