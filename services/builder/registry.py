"""Does a registry take a login, and give an image to it? Asked as the engine asks: Basic, or the token of its realm (RFC 6750, 7617)."""

import re
import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from libs.common import egress
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
_HTTPS, _HTTP = 443, 80
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
        await egress.resolve(host, int(port or _HTTPS), allowed)
    except AddressRefused as error:
        raise because("address_refused", f"{error}.") from error
    except HostUnknown:
        return


async def _ask(server: str, path: str, login: RegistryLogin | None, allowed: Allowed) -> None:
    try:
        answer = await _Registry(server, login, allowed).ask(path)
    except (httpx.HTTPError, ssl.SSLError, OSError) as error:
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
        url, answer = await self._first(path)
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            return answer
        kind, _, parameters = answer.headers.get("www-authenticate", "").partition(" ")
        if kind.lower() == "bearer":
            token = await self._token(dict(_PARAMETER.findall(parameters)))
            return await self._get(url, headers={"Authorization": f"Bearer {token}"})
        return await self._get(url, auth=self._basic) if self._basic else answer

    async def _first(self, path: str) -> tuple[str, httpx.Response]:
        """Over TLS; without it only where the operator named the registry, as the engine does for its own insecure ones."""
        url = f"https://{self._server}{path}"
        try:
            return url, await self._get(url)
        except httpx.TransportError:
            plain = f"http://{self._server}{path}"
            if not (await self._route(plain)).allowed:
                raise
            return plain, await self._get(plain)

    async def _token(self, challenge: dict[str, str]) -> str:
        realm = challenge.get("realm", "")
        if urlsplit(realm).scheme not in {"https", "http"}:
            raise _Answered("registry_unreachable", f"{self._server} names no place to get a token from.")
        params: dict[str, str] = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        if self._login:
            params["account"] = self._login.username
        answer = await self._get(realm, auth=self._basic, params=params)
        _judge(answer, self._server)
        try:
            found = answer.json()
        except ValueError as error:
            raise _Answered("registry_unreachable", f"{realm} gave no token.") from error
        token = found.get("token") or found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise _Answered("registry_unreachable", f"{realm} gave no token.")
        return token

    async def _route(self, url: str) -> Route:
        parts = urlsplit(url)
        port = parts.port or (_HTTPS if parts.scheme == "https" else _HTTP)
        try:
            route = await egress.resolve(parts.hostname or "", port, self._allowed)
        except AddressRefused as error:
            raise _Answered("address_refused", f"{error}.") from error
        except HostUnknown as error:
            raise _Answered("registry_unreachable", f"{error}.") from error
        if parts.scheme == "http" and not route.allowed:
            raise _Answered("address_refused", f"{route.host} is asked over https alone: DOCKUP_EGRESS_ALLOW does not name it.")
        return route

    async def _get(
        self,
        url: str,
        *,
        auth: httpx.BasicAuth | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
    ) -> httpx.Response:
        """By the address that was checked, so that the name cannot become another one meanwhile. No redirect is followed."""
        route = await self._route(url)
        parts = urlsplit(url)
        asked = httpx.URL(url).copy_merge_params(params) if params else httpx.URL(url)
        pinned = asked.copy_with(host=route.addresses[0], port=route.port)
        sent = {"Accept": _ACCEPT, **(headers or {}), "Host": parts.netloc.rpartition("@")[2]}
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False, follow_redirects=False) as client:
            request = client.build_request("GET", pinned, headers=sent, extensions={"sni_hostname": route.host})
            answer = await client.send(request, auth=auth, stream=True)
            try:
                return httpx.Response(answer.status_code, headers=_plain(answer), content=await _bounded(answer), request=request)
            finally:
                await answer.aclose()


def _plain(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in ("www-authenticate", "content-type") if name in answer.headers}


async def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise _Answered("registry_unreachable", f"{answer.url.host} answers with more than a registry would.")
    return body
