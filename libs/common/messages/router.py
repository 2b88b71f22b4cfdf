"""What each router writes: what it applied, and that it lives."""

import msgspec


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of KV `applied`, key = `{app_id}.{router_id}`: the route's revision that this router serves.

    `sessions`: for each draining upstream by name, how many sessions the proxy still holds to it (requests in flight, WebSockets).
    """

    app_id: str
    router_id: str
    revision: int
    sessions: dict[str, int] = {}
    v: int = 1


class RouterLease(msgspec.Struct, frozen=True, kw_only=True):
    """KV `leases`, key `router.{router_id}`: the router lives, and where its proxy listens.

    A probe through the proxy sends `probe_token` as `X-Dockup-Probe`; the answer of a replica then carries its upstream name in
    `X-Dockup-Replica`, which an answer of the proxy itself never does.
    """

    router_id: str
    address: str
    http_port: int
    https_port: int | None
    probe_token: str
    v: int = 1
