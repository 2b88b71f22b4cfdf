"""What DNS says of a name, and whether that leads here or proves whose the name is."""

import asyncio
import contextlib
import hashlib
import ipaddress
from collections.abc import Collection, Iterable
from typing import NamedTuple

import dns.asyncresolver
import dns.exception
import dns.resolver
import msgspec

from services.api.domains.schemas import Dns
from services.api.settings import Settings, name_server

_SECONDS = 5.0
_LOOPBACK = ("127.0.0.1", "::1")
_FAULTS = (dns.exception.DNSException, OSError)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """`addresses` are of all A and AAAA records, behind any CNAME; `texts` the TXT records of the name's proof.

    `silent`: there are no addresses because name servers did not answer, which says nothing of the name.
    """

    addresses: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    error: str | None = None
    silent: bool = False


class _Answer(NamedTuple):
    """`texts` are the records; without any `error` says why, and `silent` that nobody answered."""

    texts: tuple[str, ...] = ()
    error: str | None = None
    silent: bool = False


class Resolver:
    """Asks DOCKUP_DNS_SERVER, or what the system asks; `seconds` is how long one question may take."""

    def __init__(self, settings: Settings, seconds: float = _SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds
        self._resolver = _resolver(settings.dns_server)

    async def look(self, name: str) -> Found:
        """Never raises: what could not be asked is said in `error`."""
        wanted = ((name, "A"), (name, "AAAA"), (proof_name(name), "TXT"))
        four, six, texts = await asyncio.gather(*(self._ask(*question) for question in wanted))
        addresses = tuple(str(ipaddress.ip_address(text)) for text in (*four.texts, *six.texts))
        if addresses:
            return Found(addresses=addresses, texts=texts.texts)
        return Found(texts=texts.texts, error=four.error or six.error, silent=four.silent or six.silent)

    async def ours(self) -> Found:
        """This server's addresses: those that the operator names, or those of the base domain."""
        if self._settings.public_addresses:
            return Found(addresses=self._settings.public_addresses)
        if self._settings.base_domain == "localhost":
            return Found(addresses=_LOOPBACK)
        return await self.look(self._settings.base_domain)

    async def _ask(self, name: str, kind: str) -> _Answer:
        try:
            answer = await self._resolver.resolve(name, kind, lifetime=self._seconds, search=False)
        except dns.resolver.NXDOMAIN:
            return _Answer(error=f"{name} does not exist in DNS.")
        except dns.resolver.NoAnswer:
            return _Answer(error=f"{name} has neither an A nor an AAAA record.")
        except _FAULTS as error:
            return _Answer(error=f"DNS does not answer for {name}: {type(error).__name__}.", silent=True)
        return _Answer(texts=tuple(_text(record) for record in answer))


def judge(found: Found, ours: Collection[str]) -> Dns:
    """Pure. One address that is not ours would have some visitors, and a certificate authority, look elsewhere."""
    known = {str(ipaddress.ip_address(text)) for text in ours}
    ok = bool(found.addresses) and set(found.addresses) <= known
    return Dns(ok=ok, found=sorted(found.addresses), expected=sorted(known), error=found.error)


def is_proven(texts: Iterable[str], name: str, project_id: str) -> bool:
    return proof(name, project_id) in texts


def proof_name(name: str) -> str:
    return f"_dockup.{name}"


def proof(name: str, project_id: str) -> str:
    """What the TXT record of the name says for this project. No secret: only who has the zone in hand can put it there."""
    return f"dockup-verify={hashlib.sha256(f'{name} {project_id}'.encode()).hexdigest()[:40]}"


def _resolver(servers: tuple[str, ...]) -> dns.asyncresolver.Resolver:
    if not servers:
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):  # a machine without DNS runs apps all the same
            return dns.asyncresolver.Resolver()
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = [dns.nameserver.Do53Nameserver(*name_server(text)) for text in servers]
    return made


def _text(record: dns.rdata.Rdata) -> str:
    strings = getattr(record, "strings", None)
    return str(record.to_text()) if strings is None else b"".join(strings).decode("utf-8", "replace")
