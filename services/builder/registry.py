"""Does a registry take a login, and give an image to it? Asked as the engine asks: Basic, or the token of its realm (RFC 6750, 7617)."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

import httpx

from libs.common import egress
from libs.common.address import PORTS, Address, address_of
from libs.common.asking import ASKING_ERRORS, asked
from libs.common.egress import AddressRefused, Allowed, HostUnknown, Route
from libs.common.image_names import HUB, registry_of
from libs.common.messages.builder import CheckRegistry, RegistryChecked, RegistryLogin
from libs.common.secrets import UnreadableError, Vault
from services.builder.failed import because
from services.builder.image import Reference

_SECONDS = 8.0
_LONGEST_BODY = 4 * 1024**2
_KINDS = (
    "vnd.docker.distribution.manifest.v2",
    "vnd.docker.distribution.manifest.list.v2",
    "vnd.oci.image.manifest.v1",
    "vnd.oci.image.index.v1",
)
_ACCEPT = ", ".join([*(f"application/{kind}+json" for kind in _KINDS), "application/json"])
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_HUB_API = "registry-1.docker.io"
_REFUSALS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class _Answered(Exception):
    """The end of a question that is none of success."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


async def check(query: CheckRegistry, *, vault: Vault, allowed: Allowed) -> RegistryChecked:
    """The answer to the query `registry_check`."""
    try:
        login = vault.open(query.login, RegistryLogin)
    except UnreadableError as error:
        return RegistryChecked(code="internal_error", detail=f"The login cannot be read: {error}.")
    try:
        await _ask(login.server, "/v2/", login, allowed)
    except _Answered as end:
        return RegistryChecked(code=end.code, detail=str(end))
    return RegistryChecked(code=None, detail=f"{login.server} takes the login.")


async def vet(reference: Reference, login: RegistryLogin | None, allowed: Allowed) -> None:
    """`Failed` unless the registry itself gives the image of that digest to who asks so.

    The engine does not ask where it has the manifest already, whoever it was that pulled it.
    """
    name, _, digest = reference.text.partition("@")
    server, path = registry_of(name)
    try:
        await _ask(server, f"/v2/{path}/manifests/{digest}", login, allowed)
    except _Answered as end:
        raise because(end.code, f"{reference.text}: {end}") from end


async def check_egress(reference: Reference, allowed: Allowed) -> None:
    """`Failed` for a registry that may not be reached. One that has no address here is the engine's to find: it may have a proxy."""
    server, _ = registry_of(reference.name)
    host, _, port = server.partition(":")
    try:
        await egress.resolve(host, int(port or PORTS["https"]), allowed)
    except AddressRefused as error:
        raise because("address_refused", f"{error}.") from error
    except HostUnknown:
        return


async def _ask(server: str, path: str, login: RegistryLogin | None, allowed: Allowed) -> None:
    try:
        answer = await _Registry(server, login, allowed).ask(path)
    except ASKING_ERRORS as error:
        raise _Answered("registry_unreachable", f"{server}: {error or type(error).__name__}.") from error
    _judge(answer, server)


def _judge(answer: httpx.Response, server: str) -> None:
    if answer.status_code in _REFUSALS:
        raise _Answered("registry_auth_failed", f"{server} refused the login.")
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise _Answered("image_not_found", f"{server} has nothing there.")
    if answer.status_code != HTTPStatus.OK:
        raise _Answered("registry_unreachable", f"{server} answers {answer.status_code}.")


class _Registry:
    def __init__(self, server: str, login: RegistryLogin | None, allowed: Allowed) -> None:
        self._login = login
        self._allowed = allowed
        self._server = _HUB_API if server == HUB else server
        self._basic = httpx.BasicAuth(login.username, login.password) if login else None

    async def ask(self, path: str) -> httpx.Response:
        address, answer = await self._first(path)
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            return answer
        kind, _, parameters = answer.headers.get("www-authenticate", "").partition(" ")
        if kind.lower() == "bearer":
            token = await self._token(dict(_PARAMETER.findall(parameters)))
            return await self._get(address, headers={"Authorization": f"Bearer {token}"})
        return await self._get(address, auth=self._basic) if self._basic else answer

    async def _first(self, path: str) -> tuple[Address, httpx.Response]:
        """Over TLS; without it only where the operator named the registry, as the engine does for its own insecure ones."""
        address = _address(f"https://{self._server}{path}")
        try:
            return address, await self._get(address)
        except httpx.TransportError:
            plain = _address(f"http://{self._server}{path}")
            if not (await self._route(plain)).allowed:
                raise
            return plain, await self._get(plain)

    async def _token(self, challenge: dict[str, str]) -> str:
        realm = challenge.get("realm", "")
        params: dict[str, str] = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        if self._login:
            params["account"] = self._login.username
        answer = await self._get(_address(f"{realm}{'&' if '?' in realm else '?'}{urlencode(params)}"), auth=self._basic)
        _judge(answer, self._server)
        try:
            found = answer.json()
        except ValueError as error:
            raise _Answered("registry_unreachable", f"{realm} gave no token.") from error
        token = found.get("token") or found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise _Answered("registry_unreachable", f"{realm} gave no token.")
        return token

    async def _route(self, address: Address) -> Route:
        try:
            route = await egress.resolve(address.host, address.port, self._allowed)
        except AddressRefused as error:
            raise _Answered("address_refused", f"{error}.") from error
        except HostUnknown as error:
            raise _Answered("registry_unreachable", f"{error}.") from error
        if address.scheme == "http" and not route.allowed:
            raise _Answered("address_refused", f"{route.host} is asked over https alone: DOCKUP_EGRESS_ALLOW does not name it.")
        return route

    async def _get(
        self, address: Address, *, auth: httpx.BasicAuth | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer with its body, which is bounded."""
        route = await self._route(address)
        async with asked(address, route, seconds=_SECONDS, headers={"Accept": _ACCEPT, **(headers or {})}, auth=auth) as answer:
            return httpx.Response(answer.status_code, headers=_plain(answer), content=await _bounded(answer))


def _address(url: str) -> Address:
    try:
        return address_of(url)
    except ValueError as error:
        raise _Answered("registry_unreachable", f"{error}.") from error


def _plain(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in ("www-authenticate", "content-type") if name in answer.headers}


async def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise _Answered("registry_unreachable", "the registry answers with more than one would.")
    return body
