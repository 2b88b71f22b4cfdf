"""Names of domains: one spelling for each. Pure."""

import ipaddress
import re

import idna

from services.api.http.problems import Problem, invalid

_LONGEST = 253
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OURS_ALONE = frozenset({"localhost", "local", "internal", "invalid", "onion", "arpa", "alt"})
"""Top-level names that no registry gives out and that no public DNS answers for (RFC 6761, 6762, 7686, 9476)."""


def to_name(text: str, base_domain: str, pointer: str = "/name") -> str:
    """The A-label spelling in lower case, without a dot at the end; `400` for what is no domain that a person can own."""
    plain = text.strip().removesuffix(".")
    if plain.startswith("*."):
        raise invalid(pointer, "is a wildcard; add each name by itself")
    if _is_address(plain):
        raise invalid(pointer, "is an address; a domain is a name that DNS leads here")
    if any(sign in plain for sign in ":/@?#"):
        raise invalid(pointer, "takes the host name alone: no scheme, port, path or user")
    name = _encoded(plain, pointer)
    labels = name.split(".")
    if len(labels) == 1:
        raise invalid(pointer, "needs a dot: a name such as example.com")
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise invalid(pointer, "is no host name: labels of 1 to 63 letters, digits and hyphens, 253 characters in all")
    if labels[-1] in _OURS_ALONE:
        raise invalid(pointer, f"ends in .{labels[-1]}, which no public DNS answers for")
    if name == base_domain or name.endswith(f".{base_domain}"):
        raise invalid(pointer, f"is under {base_domain}, where each app has a name by itself")
    return name


def asked(text: str) -> str:
    """A name in a path as it is looked for; what cannot be one is not found."""
    try:
        return to_name(text, "")
    except Problem as problem:
        raise Problem("not_found", f"There is no domain {text!r}.") from problem


def _encoded(text: str, pointer: str) -> str:
    if text.isascii() and "xn--" not in text.lower():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise invalid(pointer, f"is no name that IDNA takes: {error}") from error


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
