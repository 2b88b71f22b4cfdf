"""Calls of GitHub's REST API. Everything that may be asked again later is `Away`, what GitHub does not want is `Refused`.

Import this module late: with httpx and authlib it takes memory that an installation without GitHub can do without.
"""

import time
import warnings
from typing import Any

import httpx
import msgspec
from authlib.integrations.base_client.errors import OAuthError
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from libs.common.errors import DockupError
from services.api.git.github.server import Server

with warnings.catch_warnings(record=True):
    # It says at every import that it would rather have httpx2, which nothing else here speaks.
    from authlib.integrations.httpx_client import AsyncOAuth2Client

SCOPES = "repo read:user"
_SECONDS = 10.0
_LOGS_IN_BY = "client_secret_post"
_LARGEST_ANSWER = 16 * 1024**2
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "Dockup"}
_MINUTE = 60.0
_LONGEST_MESSAGE = 300
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _BROKEN, _WRONG = 401, 403, 429, 500, 400


class Away(DockupError):
    """GitHub does not answer, or asks to be left alone for `seconds`."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class Refused(DockupError):
    """GitHub does not do it; `status` is its own, and the message what it said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"GitHub answered {status}: {message}")
        self.status = status


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What GitHub gave. `expires_at` is Unix time; None for a token that lasts until it is revoked."""

    access_token: str
    refresh_token: str | None = None
    expires_at: float | None = None
    scope: str = ""


class GitHub:
    """`token` is that of the user for whom a call is made."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._http = httpx.AsyncClient(timeout=_SECONDS, headers=_HEADERS, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    # ---- OAuth

    def authorize_url(self, state: str, verifier: str, *, choose: bool) -> str:
        """Where the user agrees; with `choose` GitHub asks each time for which account."""
        more = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        if choose:
            more["prompt"] = "select_account"
        client = AsyncOAuth2Client(self.server.client_id, redirect_uri=self.server.callback, scope=SCOPES)
        url, _ = client.create_authorization_url(f"{self.server.web}/login/oauth/authorize", state=state, **more)
        return str(url)

    async def redeem(self, code: str, verifier: str) -> Token:
        return await self._token(grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=self.server.callback)

    async def refresh(self, refresh_token: str) -> Token:
        return await self._token(grant_type="refresh_token", refresh_token=refresh_token)

    async def _token(self, **values: str) -> Token:
        server = self.server
        async with AsyncOAuth2Client(
            server.client_id, server.client_secret, token_endpoint_auth_method=_LOGS_IN_BY, timeout=_SECONDS, trust_env=False
        ) as client:
            try:
                found = await client.fetch_token(f"{server.web}/login/oauth/access_token", **values)
            except OAuthError as error:
                raise Refused(_WRONG, f"{error.error}: {error.description or ''}"[:_LONGEST_MESSAGE]) from error
            except (httpx.HTTPError, ValueError) as error:
                raise Away(f"GitHub did not give a token: {error or type(error).__name__}") from error
        return msgspec.convert({name: found.get(name) for name in Token.__struct_fields__ if found.get(name) is not None}, Token)

    async def revoke(self, access_token: str) -> None:
        """Already revoked is fine."""
        server = self.server
        path = f"/applications/{server.client_id}/token"
        login = httpx.BasicAuth(server.client_id, server.client_secret)
        try:
            await self._send("DELETE", path, json={"access_token": access_token}, auth=login)
        except Refused as error:
            if error.status not in {404, 422}:
                raise

    # ---- the REST API

    async def call(self, method: str, path: str, token: str, body: object = None, **query: str | int) -> Any:  # noqa: ANN401 - JSON
        """The JSON that GitHub answers; None for none."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self._send(method, path, json=body, params=query or None, headers=headers)

    async def _send(self, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401 - JSON
        try:
            async with self._http.stream(method, f"{self.server.api}{path}", **more) as answer:
                content = b""
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > _LARGEST_ANSWER:
                        raise Away("GitHub's answer is too long")
        except httpx.HTTPError as error:
            raise Away(f"GitHub does not answer: {error or type(error).__name__}") from error
        _check(answer, content)
        try:
            return msgspec.json.decode(content) if content else None
        except msgspec.DecodeError as error:
            raise Away("GitHub's answer is not JSON") from error


def _check(answer: httpx.Response, content: bytes) -> None:
    """Raise for what is no success. Limits come as 403 or 429: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
    if answer.status_code < 300:  # noqa: PLR2004 - what HTTP calls a success
        return
    limited = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    if answer.status_code == _TOO_MANY or (answer.status_code == _FORBIDDEN and limited):
        raise Away("GitHub's rate limit is reached", _wait(answer.headers))
    message = _message(content)
    if answer.status_code >= _BROKEN:
        raise Away(f"GitHub answered {answer.status_code}: {message}")
    raise Refused(answer.status_code, message)


def _wait(headers: httpx.Headers) -> float:
    try:
        if "retry-after" in headers:
            return float(headers["retry-after"])
        return max(float(headers.get("x-ratelimit-reset", 0)) - time.time(), 1.0)
    except ValueError:
        return _MINUTE


def _message(content: bytes) -> str:
    try:
        found = msgspec.json.decode(content)
        text = f"{found['message']} {found.get('errors', '')}".strip()
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        text = content[:_LONGEST_MESSAGE].decode(errors="replace")
    return text[:_LONGEST_MESSAGE]
