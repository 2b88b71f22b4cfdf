"""What a Dockerfile has the engine fetch by address: it does so from the machine's own network, where a container would not get.

The addresses that are written out are checked before the build, those that variables made as soon as the engine names them. Where a
host sends it on to the engine follows by itself: that is for a firewall.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from libs.common import egress
from libs.common.egress import AddressRefused, Allowed, HostUnknown
from services.builder.failed import because

_ADD = re.compile(r"\s*(?:ONBUILD\s+)?ADD\s+(?P<words>.*)", re.IGNORECASE | re.DOTALL)
_CONTINUED = re.compile(r"\\[ \t]*\n")
_REMOTE = re.compile(r"(?:https?|git)://[^\s$]+", re.IGNORECASE)
_PORTS = {"https": 443, "http": 80, "git": 9418}
_SHOWN = 200


def sources(dockerfile: str) -> list[str]:
    """Addresses in ADD instructions. One with a variable in its host is left to the engine's own words."""
    lines = _CONTINUED.sub(" ", dockerfile.replace("\r\n", "\n")).splitlines()
    found = [match["words"] for line in lines if (match := _ADD.fullmatch(line))]
    return [address for words in found for word in _split(words) if (address := named(word))]


def named(word: str) -> str:
    """The address that the word is, as far as it has no variable in it; nothing for what is none, or has no whole host."""
    match = _REMOTE.match(word)
    if match is None or (match.end() < len(word) and "/" not in match[0].partition("://")[2]):
        return ""
    return match[0]


async def check(addresses: Iterable[str], allowed: Allowed) -> None:
    """`Failed` with `address_refused` for one that may not be reached; one that has no address here is the engine's to find."""
    for address in dict.fromkeys(filter(None, map(named, addresses))):
        try:
            parts = urlsplit(address)
            await egress.resolve(parts.hostname or "", parts.port or _PORTS[parts.scheme.lower()], allowed)
        except (AddressRefused, ValueError) as error:
            raise because("address_refused", f"The Dockerfile adds {address[:_SHOWN]}: {error}.") from error
        except HostUnknown:
            continue


def _split(words: str) -> list[str]:
    if words.lstrip().startswith("["):
        try:
            return [str(word) for word in json.loads(words)]
        except ValueError:
            pass
    return [word.strip("\"'") for word in words.split()]
