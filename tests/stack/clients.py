"""HTTP clients that reach a stack the way people do: by name, over TLS, with its own root certificate."""

import ssl
from pathlib import Path

import httpx

TIMEOUT = httpx.Timeout(120.0, connect=5.0)


class Loopback(httpx.AsyncBaseTransport):
    """Every name leads to 127.0.0.1, as `*.localhost` does in a browser; the name itself goes into SNI and Host, and is verified."""

    def __init__(self, root_certificate: Path | None, *, http2: bool = False) -> None:
        context = ssl.create_default_context(cafile=str(root_certificate)) if root_certificate else ssl.create_default_context()
        self._transport = httpx.AsyncHTTPTransport(verify=context, http2=http2)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1")
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


def browser(root_certificate: Path | None, base_url: str = "", headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """A client for any address of the stack; it does not follow redirects."""
    return httpx.AsyncClient(transport=Loopback(root_certificate), base_url=base_url, headers=headers, timeout=TIMEOUT)
