"""Signatures of what is sent, as Standard Webhooks 1.0 has them: libraries in most languages verify them."""

import base64
import hashlib
import hmac
import secrets

_PREFIX = "whsec_"
_BYTES = 24


def new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`message_id` is the same at each try, so that a receiver knows what it has had; `timestamp` is Unix time."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
