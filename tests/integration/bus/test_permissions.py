"""Every NATS user against a server with the configuration that `dockup up` writes: its own subjects work, the others' are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from libs.common import streams, subjects
from libs.supervisor.home import NATS_USERS, SERVICES
from tests.integration.bus.conftest import Guarded

APP = "app_0190"
DEPLOYMENT = "dep_0190"
BUCKETS = (subjects.DESIRED, subjects.ROUTES, subjects.APPLIED, subjects.SCALE, subjects.LEASES, subjects.WAITS)
WRITERS_OF = {
    "desired": {"api"},
    "routes": {"runtime"},
    "scale": {"metrics", "router"},
    "applied": {"router"},
}
"""Bucket → who writes it."""

READERS = {
    "api": set(BUCKETS) - {"waits"},
    "builder": {"desired", "waits"},
    "runtime": {"desired", "applied", "leases", "scale", "routes"},
    "metrics": {"desired", "scale"},
    "router": {"routes", "applied", "leases", "scale"},
}

STREAM_READERS = {subjects.EVENTS: {"api"}, subjects.LOGS: {"api", "runtime"}, subjects.DEADLETTER: {"api"}}
SAID_BY_BUILDER = {
    subjects.EVENTS: f"dockup.evt.builder.Thing.{APP}",
    subjects.LOGS: f"dockup.log.{DEPLOYMENT}.build",
    subjects.DEADLETTER: f"dockup.dead.builder.{APP}",
}


def published() -> dict[str, set[str]]:
    """Subject → the users that may publish there."""
    table = {f"dockup.cmd.builder.PrepareImage.{APP}": {"api"}, "dockup.rpc.runtime.stats": {"api"}, "dockup.obs.metrics": {"metrics"}}
    table |= {"dockup.obs.router": {"router"}, "dockup.live.ses_1.in": {"api"}, "dockup.live.ses_1.out": {"runtime"}}
    table |= {f"dockup.log.{DEPLOYMENT}.build": {"builder", "runtime"}}
    for service in SERVICES:
        table |= {f"dockup.evt.{service}.Thing.{APP}": {service}, f"dockup.dead.{service}.{APP}": {service}}
        table |= {f"dockup.rpc.{service}.ping": {service, "api"}}
    table |= {f"$KV.{bucket}.{APP}": writers for bucket, writers in WRITERS_OF.items()}
    table |= {"$KV.leases.runtime.engine": {"runtime"}, "$KV.leases.router.one": {"router"}}
    table |= {"$KV.waits.builder.1.2": {"builder"}}
    return table


def subscribed() -> dict[str, set[str]]:
    table = {f"_INBOX_{user}.x": {user} for user in NATS_USERS}
    table |= {f"dockup.rpc.{service}.ping": {service} for service in SERVICES}
    table |= {
        "dockup.obs.metrics": {"api"},
        "dockup.obs.router": {"metrics"},
        "dockup.live.ses_1.out": {"api"},
        f"dockup.log.{DEPLOYMENT}.>": {"api"},
    }
    table |= {"dockup.live.ses_1.in": {"runtime"}}
    # Nobody reads a stream's or a bucket's subjects past JetStream.
    table |= {subject: set() for subject in ("dockup.>", "dockup.evt.>", "dockup.cmd.>", "$KV.>", "$JS.>", "_INBOX.>", ">")}
    return table


class Server:
    def __init__(self, url: str, passwords: dict[str, str]) -> None:
        self.url = url
        self.passwords = passwords

    @asynccontextmanager
    async def connect(self, user: str) -> AsyncIterator["Connection"]:
        refused: asyncio.Queue[str] = asyncio.Queue()

        async def note(error: Exception) -> None:
            refused.put_nowait(str(error).lower())

        client = Client()
        await client.connect(
            self.url, user=user, password=self.passwords[user], inbox_prefix=f"_INBOX_{user}", error_cb=note, allow_reconnect=False
        )
        try:
            yield Connection(client, refused)
        finally:
            await client.close()


class Connection:
    def __init__(self, client: Client, refused: "asyncio.Queue[str]") -> None:
        self.client = client
        self.js = client.jetstream(timeout=2)
        self._refused = refused
        self._fences = 0

    async def may_publish(self, subject: str) -> bool:
        await self.client.publish(subject, b"{}")
        return await self._was_taken(f'publish to "{subject}"')

    async def may_subscribe(self, subject: str) -> bool:
        subscription = await self.client.subscribe(subject)
        taken = await self._was_taken(f'subscription to "{subject}"')
        if taken:
            await subscription.unsubscribe()
        return taken

    async def _was_taken(self, deed: str) -> bool:
        """Refusals come in order: one that surely follows says that none for `deed` is still on its way."""
        self._fences += 1
        fence = f"nobody.may.{self._fences}"
        await self.client.publish(fence, b"")
        before: list[str] = []
        while f'publish to "{fence}"' not in (error := await asyncio.wait_for(self._refused.get(), 5)):
            before.append(error)
        return not any(deed.lower() in error for error in before)


@pytest.fixture
async def server(guarded: Guarded) -> Server:
    server = Server(guarded.url, guarded.passwords)
    async with server.connect("setup") as setup:
        await streams.ensure(setup.js, first_event=1)
    return server


async def test_nobody_enters_without_a_password(server: Server) -> None:
    wrong = Server(server.url, dict.fromkeys(NATS_USERS, "wrong"))
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
        async with wrong.connect("api"):
            pass


@pytest.mark.parametrize("user", NATS_USERS)
async def test_publishing(server: Server, user: str) -> None:
    async with server.connect(user) as connection:
        seen = {subject for subject in published() if await connection.may_publish(subject)}
    assert seen == {subject for subject, users in published().items() if user in users}


@pytest.mark.parametrize("user", NATS_USERS)
async def test_subscribing(server: Server, user: str) -> None:
    async with server.connect(user) as connection:
        seen = {subject for subject in subscribed() if await connection.may_subscribe(subject)}
    assert seen == {subject for subject, users in subscribed().items() if user in users}


@pytest.mark.parametrize("user", SERVICES)
async def test_buckets_are_followed_by_their_readers_alone(server: Server, user: str) -> None:
    for bucket in BUCKETS:
        async with server.connect(user) as connection:
            if bucket in READERS[user]:
                watcher = await (await connection.js.key_value(bucket)).watchall()
                await asyncio.wait_for(_listed(watcher), 5)
                await watcher.stop()
            else:
                assert not await connection.may_publish(f"$JS.API.STREAM.INFO.KV_{bucket}")
                assert not await connection.may_publish(f"$JS.API.CONSUMER.CREATE.KV_{bucket}.x")
                assert not await connection.may_publish(f"$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{APP}")


async def _listed(watcher: object) -> None:
    while await watcher.updates(timeout=5) is not None:  # type: ignore[attr-defined]
        pass


@pytest.mark.parametrize(("bucket", "writer"), [(bucket, writer) for bucket, writers in WRITERS_OF.items() for writer in sorted(writers)])
async def test_a_writer_writes_by_compare_and_set(server: Server, bucket: str, writer: str) -> None:
    async with server.connect(writer) as connection:
        kv = await connection.js.key_value(bucket)
        first = await kv.put(f"{APP}_{writer}", b"1")
        assert await kv.update(f"{APP}_{writer}", b"2", last=first) > first
        entry = await kv.get(f"{APP}_{writer}")
        assert entry.value == b"2"


@pytest.mark.parametrize("user", SERVICES)
@pytest.mark.parametrize("stream", STREAM_READERS)
async def test_streams_are_followed_by_their_readers_alone(server: Server, stream: str, user: str) -> None:
    async with server.connect("builder") as builder:
        await builder.js.publish(SAID_BY_BUILDER[stream], b"{}")
    async with server.connect(user) as connection:
        if user not in STREAM_READERS[stream]:
            assert not await connection.may_publish(f"$JS.API.STREAM.INFO.{stream}")
            assert not await connection.may_publish(f"$JS.API.CONSUMER.CREATE.{stream}.x")
            assert not await connection.may_publish(f"$JS.API.STREAM.MSG.GET.{stream}")
            return
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        filtered = SAID_BY_BUILDER[stream]
        messages = await connection.js.subscribe(filtered, stream=stream, ordered_consumer=True, config=config)
        assert (await messages.next_msg(timeout=5)).data == b"{}"


async def test_a_command_goes_from_the_api_to_the_builder_and_to_nobody_else(server: Server) -> None:
    async with server.connect("api") as api:
        await api.js.publish(f"dockup.cmd.builder.PrepareImage.{APP}", b"{}", headers={"Nats-Msg-Id": "cmd_1"})
        assert not await api.may_publish("$JS.API.CONSUMER.MSG.NEXT.COMMANDS.builder")
    for other in ("runtime", "metrics", "router"):
        async with server.connect(other) as connection:
            assert not await connection.may_publish("$JS.API.CONSUMER.MSG.NEXT.COMMANDS.builder")
            assert not await connection.may_publish("$JS.ACK.COMMANDS.builder.1.1.1.1.1")
    async with server.connect("builder") as builder:
        subscription = await builder.js.pull_subscribe_bind("builder", subjects.COMMANDS)
        (message,) = await subscription.fetch(1, timeout=5)
        await message.in_progress()
        await message.ack_sync(timeout=5)


@pytest.mark.parametrize("user", SERVICES)
async def test_only_setup_makes_or_removes(server: Server, user: str) -> None:
    async with server.connect(user) as connection:
        for call in (
            "STREAM.CREATE.X",
            "STREAM.UPDATE.EVENTS",
            "STREAM.DELETE.EVENTS",
            "STREAM.PURGE.KV_desired",
            "STREAM.MSG.DELETE.EVENTS",
        ):
            assert not await connection.may_publish(f"$JS.API.{call}"), call
        assert not await connection.may_publish("$JS.API.CONSUMER.DELETE.COMMANDS.builder")


async def test_a_query_is_answered(server: Server) -> None:
    async with server.connect("runtime") as runtime, server.connect("api") as api:

        async def answer(message: object) -> None:
            await runtime.client.publish(message.reply, b"pong")  # type: ignore[attr-defined]

        await runtime.client.subscribe("dockup.rpc.runtime.ping", cb=answer)
        await runtime.client.flush()
        assert (await api.client.request("dockup.rpc.runtime.ping", b"{}", timeout=5)).data == b"pong"
