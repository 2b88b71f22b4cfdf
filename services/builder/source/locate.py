"""Where a repository really is: redirects are followed here, hop by hop, each checked, so that git itself follows none."""

import asyncio
from http import HTTPStatus
from urllib.parse import urljoin

import msgspec

from libs.common import egress
from libs.common.address import Address
from libs.common.asking import ASKING_ERRORS, asked
from libs.common.egress import AddressRefused, Allowed, HostUnknown, Route
from libs.common.messages.builder import GitLogin
from services.builder.failed import because
from services.builder.source import grammar

SERVICE = "/info/refs?service=git-upload-pack"
AGENT = "git/2.39.5 (dockup)"
_HOPS = 5
_SECONDS = 20.0
_REDIRECTS = {301, 302, 303, 307, 308}


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """The address that answered, by the route that was checked. `login` is None where a redirect led to another host."""

    address: Address
    route: Route
    login: GitLogin | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    location: str


async def locate(url: str, login: GitLogin | None, allowed: Allowed) -> Located:
    """Ask the host for the repository; `Failed` when it, or where it leads, may not be reached, or has no such repository."""
    here = grammar.address(url)
    for _ in range(_HOPS):
        route = await route_to(here, allowed)
        answer = await _ask(here, route)
        if answer.status not in _REDIRECTS:
            return _end(Located(address=here, route=route, login=login), answer.status)
        there = _next(here, answer.location)
        login = login if (there.host, there.port) == (here.host, here.port) else None
        here = there
    raise because("clone_failed", f"{url} is redirected more than {_HOPS} times.")


async def route_to(address: Address, allowed: Allowed) -> Route:
    """Look the host up and check what it leads to; `Failed` where that may not be reached."""
    try:
        route = await egress.resolve(address.host, address.port, allowed)
    except AddressRefused as error:
        raise because("address_refused", f"{error}.") from error
    except HostUnknown as error:
        raise because("git_unreachable", f"{error}.") from error
    if address.scheme == "http" and not route.allowed:
        raise because("address_refused", f"{address.host} is asked for over plain http, which only a host in DOCKUP_EGRESS_ALLOW may.")
    return route


def _next(here: Address, location: str) -> Address:
    """Where a redirect leads; it must be another address of a repository, and never from https to http."""
    target = urljoin(here.url + SERVICE, location)
    base, found, _ = target.partition(SERVICE)
    if not found:
        raise because("repository_not_found", f"{here.url} is redirected to what is no repository.")
    there = grammar.address(base)
    if (here.scheme, there.scheme) == ("https", "http"):
        raise because("address_refused", f"{here.url} is redirected from https to plain http.")
    return there


def _end(located: Located, status: int) -> Located:
    url = located.address.url
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise because("repository_not_found", f"{url} is not there, or hidden from us.")
    if status == HTTPStatus.UNAUTHORIZED and located.login is None:
        raise because(
            "git_auth_failed", f"{located.address.host} wants a login for {located.address.path}, or there is no such repository."
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise because("git_unreachable", f"{located.address.host} answered {status}.")
    if status not in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise because("clone_failed", f"{url}: the host answered {status}.")
    return located


async def _ask(address: Address, route: Route) -> _Answer:
    """One GET; no login is sent, for git itself is asked for it."""
    try:
        async with (
            asyncio.timeout(_SECONDS),
            asked(_service_of(address), route, seconds=_SECONDS, headers={"User-Agent": AGENT}) as answer,
        ):
            return _Answer(status=answer.status_code, location=answer.headers.get("Location", ""))
    except ASKING_ERRORS as error:
        text = str(error) or f"no answer within {_SECONDS:g} s"
        raise because("git_unreachable", f"{address.host} did not answer as a git host does: {text}.") from error


def _service_of(address: Address) -> Address:
    return msgspec.structs.replace(address, path=address.path + SERVICE)
