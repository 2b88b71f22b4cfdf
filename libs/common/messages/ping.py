"""What every service answers on `dockup.rpc.<service>.ping`."""

import msgspec


class Pong(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is `ok`, `standby` or `degraded`; `detail` says why. `checks` names what this service depends on (`engine`, `proxy`).

    `host` is the name of the machine or container that answers.
    """

    service: str
    instance: str
    version: str
    status: str
    detail: str = ""
    host: str = ""
    checks: dict[str, str] = {}
    v: int = 1
