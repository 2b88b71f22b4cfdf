"""One request to a host whose address was checked: whoever asks it over HTTP does so by this."""

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache

import httpx

from libs.common.address import Address
from libs.common.egress import Route

_CONNECT_SECONDS = 30.0
ASKING_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError)
"""What says that there was no answer, or none in HTTP."""


@asynccontextmanager
async def asked(
    address: Address,
    route: Route,
    *,
    seconds: float,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | AsyncIterable[bytes] | None = None,
    auth: httpx.BasicAuth | None = None,
) -> AsyncIterator[httpx.Response]:
    """The answer, whose body is still to be read. Raises one of `ASKING_ERRORS`; `seconds` is for each step, not for all.

    The connection goes to the first of the route's addresses that takes one, so that the name cannot become another one meanwhile; to no
    proxy, and after no redirect. The path goes out as it is.
    """
    sent = {"Accept-Encoding": "identity", **(headers or {}), "Host": address.authority}
    extensions = {"sni_hostname": route.host, "target": address.path.encode()}
    patience = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
    async with httpx.AsyncClient(timeout=patience, trust_env=False, follow_redirects=False, verify=_trusted()) as client:

        async def ask(host: str) -> httpx.Response:
            url = httpx.URL(scheme=address.scheme, host=host, port=route.port, path="/")
            request = client.build_request(method, url, headers=sent, content=body, extensions=extensions)
            return await client.send(request, auth=auth, stream=True)

        answer = await _of_the_first_that_takes(route.addresses, ask)
        try:
            yield answer
        finally:
            await answer.aclose()


async def _of_the_first_that_takes(hosts: Sequence[str], ask: Callable[[str], Awaitable[httpx.Response]]) -> httpx.Response:
    """A host of both versions of IP may be reached by one alone. Nothing was sent where no connection was made."""
    for host in hosts[:-1]:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await ask(host)
    return await ask(hosts[-1])


@cache
def _trusted() -> ssl.SSLContext:
    """The machine's own authorities, as git and the engine have them."""
    return ssl.create_default_context()
