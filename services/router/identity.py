"""Who this router is, over restarts: its id, and the token that makes the proxy name the replica that answered."""

import secrets

import msgspec

from libs.common import ids
from services.router.files import Files, kept


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    router_id: str
    probe_token: str


def load(files: Files) -> Identity:
    return Identity(router_id=kept(files.identity, ids.new("rtr")), probe_token=kept(files.probe_token, secrets.token_hex(24)))
