"""The streams, buckets and durable consumers of the bus, and how they are made: what is missing, and nothing else.

Made by the `setup` user, at start and again whenever the bus lost them.
"""

from typing import NamedTuple

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from libs.common import subjects

ACK_WAIT = 6.0
LEASE_SECONDS = 10.0
MOST_PIECES = 2_000
"""How many messages LOGS keeps of one subject."""
_DAY = 86_400.0
_GB = 1024**3

_EVENTS = StreamConfig(
    name=subjects.EVENTS,
    subjects=["dockup.evt.>"],
    max_age=30 * _DAY,
    max_bytes=4 * _GB,
    storage=StorageType.FILE,
    duplicate_window=120,
    allow_direct=True,
)
_STREAMS = (
    StreamConfig(
        name=subjects.COMMANDS,
        subjects=["dockup.cmd.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        max_bytes=_GB,
        storage=StorageType.FILE,
        duplicate_window=120,
    ),
    StreamConfig(
        name=subjects.LOGS,
        subjects=["dockup.log.>"],
        max_age=14 * _DAY,
        max_bytes=2 * _GB,
        max_msgs_per_subject=MOST_PIECES,
        storage=StorageType.FILE,
        allow_direct=True,
    ),
    StreamConfig(
        name=subjects.DEADLETTER,
        subjects=["dockup.dead.>"],
        max_age=30 * _DAY,
        max_bytes=_GB,
        storage=StorageType.FILE,
    ),
)
_BUCKETS = (
    KeyValueConfig(bucket=subjects.DESIRED, storage=StorageType.FILE, direct=True),
    KeyValueConfig(bucket=subjects.ROUTES, storage=StorageType.FILE, direct=True),
    KeyValueConfig(bucket=subjects.APPLIED, storage=StorageType.FILE, direct=True),
    KeyValueConfig(bucket=subjects.SCALE, storage=StorageType.FILE, direct=True),
    KeyValueConfig(bucket=subjects.LEASES, storage=StorageType.FILE, direct=True, ttl=LEASE_SECONDS),
    KeyValueConfig(bucket=subjects.CERTIFICATES, storage=StorageType.FILE, direct=True),
    KeyValueConfig(bucket=subjects.WAITS, storage=StorageType.FILE, direct=True, ttl=_DAY),
)
WORKERS = ("builder",)
"""The services that take commands: each has a durable consumer of its own name on COMMANDS."""


class Seen(NamedTuple):
    """A stream as it is now. `identity` is another one when the stream was made anew; no event has a number below `first`."""

    identity: str
    first: int
    last: int


async def ensure(js: JetStreamContext, *, first_event: int) -> list[str]:
    """Make what is missing and return its names. A new EVENTS stream starts at `first_event`, so that `seq` never falls."""
    made = await ensure_all_but_events(js)
    if await look(js, subjects.EVENTS) is None:
        await make_events(js, first_event)
        made.append(subjects.EVENTS)
    return made


async def ensure_all_but_events(js: JetStreamContext) -> list[str]:
    """As `ensure`, but for EVENTS: its first number depends on how far the one before it was read."""
    made = [str(config.name) for config in _STREAMS if await _stream(js, config)]
    made += [str(config.bucket) for config in _BUCKETS if await _bucket(js, config)]
    for service in WORKERS:
        await _consumer(js, service)
    return made


async def look(js: JetStreamContext, name: str) -> Seen | None:
    """The stream as the server has it; None when there is none."""
    try:
        return _seen(await js.stream_info(name))
    except NotFoundError:
        return None


async def make_events(js: JetStreamContext, first: int) -> Seen:
    return _seen(await js.add_stream(_EVENTS.evolve(first_seq=first if first > 1 else None)))


def _seen(info: StreamInfo) -> Seen:
    made = info.created.isoformat() if info.created else ""
    return Seen(identity=made, first=info.config.first_seq or 1, last=int(info.state.last_seq))


async def _stream(js: JetStreamContext, config: StreamConfig) -> bool:
    if await look(js, str(config.name)):
        return False
    await js.add_stream(config)
    return True


async def _bucket(js: JetStreamContext, config: KeyValueConfig) -> bool:
    try:
        await js.stream_info(f"KV_{config.bucket}")
    except NotFoundError:
        await js.create_key_value(config)
        return True
    return False


async def _consumer(js: JetStreamContext, service: str) -> None:
    try:
        await js.consumer_info(subjects.COMMANDS, service)
    except NotFoundError:
        await js.add_consumer(
            subjects.COMMANDS,
            ConsumerConfig(
                durable_name=service,
                filter_subject=subjects.commands_of(service),
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT,
                max_deliver=-1,
                max_ack_pending=1_000,
            ),
        )
