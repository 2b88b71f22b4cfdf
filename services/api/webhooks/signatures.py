"""Whether a delivery is from who knows the secret. Every comparison takes the same time, and an empty secret fits nothing."""

import hashlib
import hmac


def of_body(secret: str, body: bytes, given: str) -> bool:
    """HMAC-SHA256 of the raw body, in hex, as GitHub and Gitea send it; GitHub writes `sha256=` before it."""
    if not secret or not given:
        return False
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), given.removeprefix("sha256=").encode())


def of_token(secret: str, given: str) -> bool:
    """The secret itself, as GitLab sends it."""
    return bool(secret) and hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), hashlib.sha256(given.encode()).digest())
