"""Where a hook may be sent: grammar first, then whether the address may be reached at all."""

from urllib.parse import urlsplit

from libs.common import egress
from libs.common.address import Address, address_of
from services.api.http.problems import invalid
from services.api.settings import Settings


def parse(url: str) -> Address:
    """`ValueError` with a sentence for what is no http address, or has a login or a fragment in it."""
    try:
        parts, where = urlsplit(url), address_of(url)
    except ValueError as error:
        raise ValueError("takes an https address") from error
    if any(not " " < letter <= "~" for letter in url):
        raise ValueError("takes an https address")
    if parts.username is not None or parts.fragment:
        raise ValueError("takes an address without a login and without a fragment")
    return where


async def route(address: Address, settings: Settings) -> egress.Route:
    """Look the host up and check each answer. `AddressRefused`, `HostUnknown`; plain http is for hosts that the operator named."""
    found = await egress.resolve(address.host, address.port, egress.parse(settings.egress_allow))
    if address.scheme == "http" and not found.allowed:
        raise egress.AddressRefused(f"{address.host} is not in DOCKUP_EGRESS_ALLOW, so it is reached over https alone")
    return found


async def check(url: str, settings: Settings) -> None:
    """`400` for an address that is none, or that may not be reached. A host without an address may get one."""
    try:
        where = parse(url)
        await route(where, settings)
    except (ValueError, egress.AddressRefused) as error:
        raise invalid("/url", str(error)) from error
    except egress.HostUnknown as error:
        if where.scheme == "http":
            raise invalid("/url", "takes an https address; plain http is for hosts that DOCKUP_EGRESS_ALLOW names") from error
