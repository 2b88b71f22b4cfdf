"""What every service answers on `dockup.rpc.<service>.ping`."""

import msgspec


class Pong(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is `ok`, `standby` or `degraded`; `detail` says why. `checks` names what this service depends on (`engine`, `proxy`)."""

    service: str
    instance: str
    version: str
    status: str
    detail: str = ""
    checks: dict[str, str] = {}
    v: int = 1
