"""The two kinds of token: API keys (`dkp_…`) and JWTs (HS256, ended by their session's row)."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from libs.common import clock, ids
from libs.common.errors import DockupError

KEY_PREFIX = "dkp_"
SESSION_HOURS = 12
_KEY_BYTES = 32
_ALGORITHM = "HS256"


class BadToken(DockupError):
    """The JWT is not ours, or it has expired."""


class Signer:
    """Signs and reads JWTs with keys made from `DOCKUP_SECRET_KEY`: the first signs, all are accepted."""

    def __init__(self, secret_key: str) -> None:
        self._keys = [_signing_key(part.strip()) for part in secret_key.split(",")]

    def sign(self, session_id: str, user_id: str, expires_at: str) -> str:
        expires = int(clock.parse(expires_at).timestamp())
        claims = {"jti": session_id, "sub": user_id, "iat": int(datetime.now(UTC).timestamp()), "exp": expires}
        return jwt.encode({"alg": _ALGORITHM}, claims, self._keys[0])

    def session(self, token: str) -> str:
        """The session that the token stands for; `BadToken` when it is forged or over."""
        for key in self._keys:
            try:
                claims = jwt.decode(token, key, algorithms=[_ALGORITHM]).claims
                jwt.JWTClaimsRegistry(exp={"essential": True}, jti={"essential": True}).validate(claims)
            except (JoseError, ValueError):
                continue
            return str(claims["jti"])
        raise BadToken("no key of ours signed this token, or it has expired")


def _signing_key(secret: str) -> OctKey:
    return OctKey.import_key(hashlib.sha256(b"dockup jwt\0" + secret.encode()).digest())


def new_key() -> str:
    """`dkp_` and 43 url-safe characters: 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def new_session() -> tuple[str, str]:
    """A session's id and its end."""
    return ids.new("ses"), clock.rfc3339(datetime.now(UTC) + timedelta(hours=SESSION_HOURS))
