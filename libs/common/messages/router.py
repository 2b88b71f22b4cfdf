"""What each router writes: what it applied, and that it lives."""

import msgspec

RESPONSE_BOUNDS = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0)
"""Milliseconds: the bounds of the histogram of response times that every router keeps."""


MOST_APPS = 2_000
"""Apps in one `Traffic`, of some 365 bytes at most each: the bus takes 1 MiB."""


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


class AppTraffic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one router passed to one app in an interval: requests by the class of their answer, and response times.

    `open` is the number of requests and connections that are under way now. `times` are counts of response times (from a request's head
    to its answer's), one for each bound of `Traffic.bounds` and one for what took longer; answers of the proxy itself are in none.
    """

    app_id: str
    requests: int = 0
    status_1xx: int = 0
    status_2xx: int = 0
    status_3xx: int = 0
    status_4xx: int = 0
    status_5xx: int = 0
    open: int = 0
    times: tuple[int, ...] = ()


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Core subject `dockup.obs.router`: what passed through one router since its last word. Apps without any traffic are left out.

    `bounds` in milliseconds, ascending; `number` rises with each word of one `router_id`. A message takes `MOST_APPS`: a word of
    more comes in several, each with other apps, under one number.
    """

    router_id: str
    at: str
    interval_seconds: float
    number: int
    bounds: tuple[float, ...]
    apps: tuple[AppTraffic, ...]
    v: int = 1


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of KV `certificates`: what the routers know of the certificate of `host`, written by compare-and-set.

    `pem` is a token of `libs.common.secrets` around key and chain, empty while there is none. Times are RFC 3339. `attempts` failed since
    the last success, the last at `failed_at` with `error`; the next may begin at `retry_at`. The router `claimed_by` is at work until
    `claimed_until`, and meanwhile every router answers `challenges`: token → key authorization.
    """

    host: str
    pem: str = ""
    serial: str = ""
    issuer: str = ""
    issued_at: str = ""
    expires_at: str = ""
    renewals: int = 0
    attempts: int = 0
    error: str = ""
    failed_at: str = ""
    retry_at: str = ""
    claimed_by: str = ""
    claimed_until: str = ""
    challenges: dict[str, str] = {}
    v: int = 1


class CertificateIssued(msgspec.Struct, frozen=True, kw_only=True):
    """The host has a certificate, or with `renewals` another one. `app_id` is None for the server's own host. Id: host and serial."""

    event_id: str
    at: str
    app_id: str | None
    host: str
    issuer: str
    expires_at: str
    renewals: int = 0
    v: int = 1


class CertificateFailed(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt failed, the `attempts`th in a row; the next begins after `retry_at`. What the host had serves on. Id: host and time."""

    event_id: str
    at: str
    app_id: str | None
    host: str
    error: str
    retry_at: str
    attempts: int
    v: int = 1
