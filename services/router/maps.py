"""The proxy's maps beside that of the hosts: what each has to hold, and the commands that bring it there. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from libs.common.messages.api import Front, Guard
from services.router.files import Files
from services.router.table import HOST

Maps = dict[str, dict[str, str]]
"""By name of the map: key → value."""

CHALLENGE, REDIRECT, PLAIN, MAINTENANCE, GUARD, CREDENTIAL = "challenge", "redirect", "plain", "maintenance", "guard", "credential"
NAMES = (CHALLENGE, REDIRECT, PLAIN, MAINTENANCE, CREDENTIAL, GUARD)
"""In the order in which entries come; they go the other way round. Who has a password has it before it is asked for."""
_NOBODY = "nobody"
"""The salt where a guard cannot be read: no digest is made with it, so nobody passes."""
_ROW = 3


class Fronted(msgspec.Struct, frozen=True, kw_only=True):
    """An app that has something in front of it. `guard` is None where everybody may pass; `hosts` are those that lead to it."""

    hosts: tuple[str, ...]
    front: Front
    guard: Guard | None


def wanted(challenges: Mapping[str, str], fronted: Sequence[Fronted], port: str) -> Maps:
    """`challenges`: ACME token → key authorization. `port` is what stands behind a host of ours in a URL."""
    found: Maps = {name: {} for name in NAMES}
    found[CHALLENGE] = dict(challenges)
    for each in fronted:
        _add(found, each, port)
    return found


def unreadable() -> Guard:
    return Guard(salt=_NOBODY)


def _add(found: Maps, each: Fronted, port: str) -> None:
    for redirect in each.front.redirects:
        if redirect.host in each.hosts and HOST.fullmatch(redirect.to):
            found[REDIRECT][redirect.host] = f"{redirect.status}/{redirect.to}{port if redirect.to in each.hosts else ''}"
    for host in each.hosts:
        if not each.front.https_redirect:
            found[PLAIN][host] = "1"
        if each.front.maintenance is not None:
            found[MAINTENANCE][host] = str(each.front.maintenance)
        if each.guard is not None:
            found[GUARD][host] = each.guard.salt
            found[CREDENTIAL] |= {f"{host}/{digest}": "1" for digest in each.guard.users.values()}


def commands(files: Files, there: Maps, wanted: Maps) -> tuple[list[str], list[str]]:
    """What is missing, before a host leads to the app, and what is not wanted any more, after it did."""
    coming: list[str] = []
    going: list[str] = []
    for name in NAMES:
        before, after, path = there.get(name, {}), wanted[name], files.map(name)
        coming += [f"add map {path} {key} {value}" for key, value in after.items() if key not in before]
        coming += [f"set map {path} {key} {value}" for key, value in after.items() if before.get(key, value) != value]
        going = [f"del map {path} {key}" for key in before if key not in after] + going
    return coming, going


def text(entries: Mapping[str, str]) -> str:
    """A map's file."""
    return "".join(f"{key} {value}\n" for key, value in entries.items())


def read(shown: str) -> dict[str, str]:
    """What `show map` printed: pointer, key and value a line."""
    rows = (line.split(" ", 2) for line in shown.splitlines())
    return {row[1]: row[2] for row in rows if len(row) == _ROW and row[0].startswith("0x")}
