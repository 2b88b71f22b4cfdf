"""The NATS server's configuration: JetStream that syncs every write, and a user for each service with rights to its own subjects.

docs/architecture.md's table of the bus, as permissions. A subject that stands nowhere here is refused.
"""

import json
from collections.abc import Iterable, Mapping

import msgspec

from libs.common import subjects

_BUCKETS = (subjects.DESIRED, subjects.ROUTES, subjects.APPLIED, subjects.SCALE, subjects.LEASES, subjects.CERTIFICATES)


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """What one service may do beyond its own events, queries, dead letters and ping, which everybody has.

    `reads` and `buckets`: streams and KV buckets to follow. `writes`: bucket → keys. `works`: has a durable consumer of its own
    name on COMMANDS.
    """

    publishes: tuple[str, ...] = ()
    subscribes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    writes: dict[str, str] = {}
    works: bool = False


GRANTS: dict[str, Grants] = {
    "api": Grants(
        publishes=("dockup.cmd.>", "dockup.rpc.>", "dockup.live.*.in", "$JS.API.INFO", f"$JS.API.STREAM.INFO.{subjects.COMMANDS}"),
        subscribes=(subjects.OBSERVATION, "dockup.live.*.out", "dockup.log.>"),
        reads=(subjects.EVENTS, subjects.LOGS, subjects.DEADLETTER),
        buckets=_BUCKETS,
        writes={subjects.DESIRED: ">"},
    ),
    "builder": Grants(
        publishes=("dockup.log.>",),
        buckets=(subjects.DESIRED, subjects.WAITS),
        writes={subjects.WAITS: "builder.>"},
        works=True,
    ),
    "runtime": Grants(
        publishes=("dockup.log.>", "dockup.live.*.out"),
        subscribes=("dockup.live.*.in",),
        reads=(subjects.LOGS,),
        buckets=(subjects.DESIRED, subjects.APPLIED, subjects.LEASES, subjects.SCALE, subjects.ROUTES),
        writes={subjects.ROUTES: ">", subjects.LEASES: "runtime.>"},
    ),
    "metrics": Grants(
        publishes=(subjects.OBSERVATION,),
        subscribes=(subjects.TRAFFIC,),
        buckets=(subjects.DESIRED, subjects.SCALE),
        writes={subjects.SCALE: ">"},
    ),
    "router": Grants(
        publishes=(subjects.TRAFFIC,),
        buckets=(subjects.ROUTES, subjects.APPLIED, subjects.LEASES, subjects.SCALE, subjects.CERTIFICATES),
        writes={subjects.APPLIED: ">", subjects.LEASES: "router.>", subjects.SCALE: ">", subjects.CERTIFICATES: ">"},
    ),
}


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """Subjects that a user may publish and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def permissions(user: str) -> Permissions:
    """Everything that `user` may do; `setup` makes streams, buckets and consumers and says nothing else."""
    if user == "setup":
        return Permissions(
            publish=("$JS.API.INFO", "$JS.API.STREAM.>", "$JS.API.CONSUMER.>", "$JS.SNAPSHOT.ACK.>"),
            subscribe=("_INBOX_setup.>",),
        )
    grants = GRANTS[user]
    publish = [f"dockup.evt.{user}.>", f"dockup.dead.{user}.>", subjects.query(user, "ping"), *grants.publishes]
    for stream in grants.reads:
        publish += _follow(stream)
    for bucket in grants.buckets:
        publish += [*_follow(f"KV_{bucket}"), f"$JS.API.DIRECT.GET.KV_{bucket}.>"]
    publish += [f"$KV.{bucket}.{keys}" for bucket, keys in grants.writes.items()]
    if grants.works:
        publish += _work(user)
    return Permissions(
        publish=tuple(publish),
        subscribe=(f"_INBOX_{user}.>", f"dockup.rpc.{user}.>", *grants.subscribes),
    )


def _follow(stream: str) -> list[str]:
    """Read a stream by ordered consumers, and single messages of it."""
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.>",
        f"$JS.API.CONSUMER.DELETE.{stream}.>",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.FC.{stream}.>",
    ]


def _work(user: str) -> list[str]:
    """Take commands by the durable consumer that the user's name is given to."""
    return [
        f"$JS.API.CONSUMER.INFO.{subjects.COMMANDS}.{user}",
        f"$JS.API.CONSUMER.MSG.NEXT.{subjects.COMMANDS}.{user}",
        f"$JS.ACK.{subjects.COMMANDS}.{user}.>",
    ]


def render(*, port: int, store: str, passwords: Mapping[str, str], host: str = "127.0.0.1", monitor: int | None = None) -> str:
    """Write the configuration file. The storage limit is far above the streams' own sums: the disk is the limit.

    `monitor`: a port on loopback where the server says over HTTP how it is.
    """
    users = ",\n".join(_user(user, password) for user, password in sorted(passwords.items()))
    watched = f'http: "127.0.0.1:{monitor}"\n' if monitor else ""
    return f"""listen: "{host}:{port}"
{watched}server_name: dockup
jetstream {{
  store_dir: {json.dumps(store)}
  sync_interval: always
  max_file_store: 1TB
  max_memory_store: 64MB
}}
authorization {{
  users: [
{users}
  ]
}}
"""


def _user(user: str, password: str) -> str:
    may = permissions(user)
    return f"""    {{
      user: {json.dumps(user)}, password: {json.dumps(password)}
      permissions: {{
        publish: {{ allow: {_list(may.publish)} }}
        subscribe: {{ allow: {_list(may.subscribe)} }}
        allow_responses: {{ max: 1000, expires: "1m" }}
      }}
    }}"""


def _list(items: Iterable[str]) -> str:
    return "[" + ", ".join(json.dumps(item) for item in items) + "]"
