"""Live sessions over a real NATS server with the users that `dockup up` makes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest

from libs.common import subjects
from libs.common.bus import Bus, NoAnswer
from libs.common.live import channel as channel_module
from libs.common.live.channel import Channel, Over
from libs.common.live.dial import NotOpened, dial
from libs.common.live.frames import LARGEST
from libs.common.messages.sessions import BROKEN, LEFT, PEER_LOST, STOPPED, Ended
from services.runtime.endings import Endings
from services.runtime.sessions import Kind, Refusal, Session, Sessions
from tests.integration.bus.conftest import Guarded, until

APP = "app_1"


class Ask(msgspec.Struct, frozen=True):
    text: str = ""


class Runtime:
    """The runtime's side: a kind for each thing that a session may do. `held` are the sessions that have not let go yet."""

    def __init__(self, bus: Bus, home: Path) -> None:
        self.bus = bus
        self.held: list[Channel] = []
        self.opening, self.may_open = asyncio.Event(), asyncio.Event()
        kinds = {name: Kind(open=self._opener(serve), most=2) for name, serve in (("echo", self.echo), ("flood", self.flood))}
        shared = Kind(open=self._opener(self.echo), most=2, most_in_all=8, group=lambda app_id: app_id[:1])
        kinds["slow"] = Kind(open=self.slow, most=2)
        self.sessions = Sessions(bus, {**kinds, "never": Kind(open=self.refuse, most=2), "shared": shared}, Endings(bus, str(home)))

    def _opener(self, serve: Callable[[Channel], Awaitable[Ended]]) -> Callable[[str, msgspec.Raw], Awaitable[Session]]:
        async def begin(app_id: str, request: msgspec.Raw) -> Session:
            msgspec.json.decode(request, type=Ask)

            async def run(channel: Channel) -> Ended:
                self.held.append(channel)
                try:
                    return await serve(channel)
                finally:
                    self.held.remove(channel)

            return Session(serve=run, replica="one")

        return begin

    async def slow(self, app_id: str, request: msgspec.Raw) -> Session:
        self.opening.set()
        await self.may_open.wait()
        return await self._opener(self.echo)(app_id, request)

    async def refuse(self, _app_id: str, _request: msgspec.Raw) -> Session:
        raise Refusal("app_not_running", "It does not run.")

    async def echo(self, channel: Channel) -> Ended:
        """Say everything back; `end` ends it."""
        while (frame := await channel.receive()) is not None:
            if frame.body == b"end":
                return Ended(reason="exit", detail="as asked", code=7)
            await channel.send(frame.body, frame.tag)
        return Ended(reason="unheard")

    async def flood(self, channel: Channel) -> Ended:
        """Send a thousand numbered batches, whoever reads them."""
        for number in range(1000):
            await channel.put(b"%d " % number * 2000)
        return Ended(reason="exit", code=0)


@asynccontextmanager
async def connected(guarded: Guarded, user: str) -> AsyncIterator[Bus]:
    bus = await Bus.connect(guarded.url_of(user), user)
    try:
        yield bus
        assert not bus.refused
    finally:
        await bus.close()


async def settle(bus: Bus) -> None:
    """All that was said to the server has come there. The client's first ping overtakes what it has not yet written."""
    await bus.client.flush()
    await bus.client.flush()


@pytest.fixture
async def api(guarded: Guarded) -> AsyncIterator[Bus]:
    async with connected(guarded, "api") as bus:
        yield bus


@pytest.fixture
async def runtime(guarded: Guarded, tmp_path: Path) -> AsyncIterator[Runtime]:
    async with connected(guarded, "runtime") as bus:
        runtime = Runtime(bus, tmp_path)
        await bus.serve("open", runtime.sessions.open)
        await settle(bus)
        yield runtime
        await runtime.sessions.close()
        assert not runtime.held


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(channel_module, "SILENCE_SECONDS", 0.9)


async def echoed(channel: Channel) -> bytes:
    async with asyncio.timeout(20):
        frame = await channel.receive()
    assert frame
    return frame.body


async def read_all(channel: Channel) -> bytes:
    found = bytearray()
    while (frame := await channel.receive()) is not None:
        found += frame.body
    return bytes(found)


async def test_bytes_go_both_ways_unchanged_and_the_end_has_a_reason(api: Bus, runtime: Runtime) -> None:
    sent = secrets.token_bytes(3_000_000)
    async with dial(api, "echo", APP, Ask()) as (channel, replica):
        assert replica == "one"

        async def talk() -> None:
            await channel.send(sent)
            await channel.put(b"end")

        talking = asyncio.create_task(talk())
        async with asyncio.timeout(20):
            assert await read_all(channel) == sent
        assert channel.ended == Ended(reason="exit", detail="as asked", code=7)
        await talking
        with pytest.raises(Over):
            await channel.put(b"late")


async def test_who_reads_slowly_slows_itself_alone_and_loses_nothing(api: Bus, runtime: Runtime) -> None:
    async with dial(api, "flood", APP, Ask()) as (slow, _), dial(api, "echo", APP, Ask()) as (other, _):
        await until(lambda: runtime.held and not runtime.held[0].has_room(4000))
        assert runtime.held[0].ended is None
        await other.put(b"still here", 3)
        async with asyncio.timeout(20):
            frame = await other.receive()
        assert frame
        assert (frame.body, frame.tag) == (b"still here", 3)
        async with asyncio.timeout(20):
            assert await read_all(slow) == b"".join(b"%d " % number * 2000 for number in range(1000))


async def test_refusals_come_before_anything_is_open(api: Bus, runtime: Runtime) -> None:
    with pytest.raises(NotOpened) as refused:
        async with dial(api, "never", APP, Ask()):
            pass
    assert refused.value.code == "app_not_running"
    with pytest.raises(NotOpened, match="kind dance"):
        async with dial(api, "dance", APP, Ask()):
            pass
    async with dial(api, "echo", APP, Ask()), dial(api, "echo", APP, Ask()):
        with pytest.raises(NotOpened, match="2 of these") as refused:
            async with dial(api, "echo", APP, Ask()):
                pass
        assert refused.value.code == "too_many_sessions"
    await until(lambda: not runtime.held)
    async with dial(api, "echo", APP, Ask()) as (channel, _):
        with pytest.raises(ValueError, match="fit"):
            await channel.put(b"x" * (LARGEST + 1))


async def test_either_side_closes_with_a_word(api: Bus, runtime: Runtime) -> None:
    async with dial(api, "echo", APP, Ask()) as (channel, _):
        await until(lambda: runtime.held)
        theirs = runtime.held[0]
        await channel.close(Ended(reason="revoked"))
        await until(lambda: not runtime.held)
        assert theirs.ended == Ended(reason="revoked")
    async with dial(api, "echo", APP, Ask()):
        await until(lambda: runtime.held)
        theirs = runtime.held[0]
    await until(lambda: not runtime.held)
    assert theirs.ended == Ended(reason=LEFT)
    async with dial(api, "echo", APP, Ask()) as (channel, _):
        await until(lambda: runtime.held)
        await runtime.sessions.close()
        async with asyncio.timeout(20):
            assert await channel.receive() is None
        assert channel.ended == Ended(reason=STOPPED)


async def test_one_that_is_being_opened_ends_with_the_others(api: Bus, runtime: Runtime) -> None:
    """A runtime that loses its lease, or stops, lets go of what it was about to hold too."""
    dialling = asyncio.create_task(_until_over(api, "slow"))
    await asyncio.wait_for(runtime.opening.wait(), 20)
    closing = asyncio.create_task(runtime.sessions.close())
    await asyncio.sleep(0)
    with pytest.raises(NotOpened) as refused:
        await asyncio.wait_for(_until_over(api, "echo"), 20)
    assert refused.value.code == "runtime_unavailable"
    runtime.may_open.set()
    await asyncio.wait_for(closing, 20)
    assert not runtime.held
    assert await asyncio.wait_for(dialling, 20) == Ended(reason=STOPPED)


async def _until_over(api: Bus, kind: str) -> Ended | None:
    async with dial(api, kind, APP, Ask()) as (channel, _):
        while await channel.receive() is not None:
            continue
        return channel.ended


async def test_what_was_left_behind_is_let_go_at_the_same_time(runtime: Runtime, tmp_path: Path) -> None:
    """Nobody is let in before that: each kind waits here for the other."""
    kinds = asyncio.Event(), asyncio.Event()

    async def recover(mine: asyncio.Event, other: asyncio.Event) -> None:
        mine.set()
        await other.wait()

    both = {str(n): Kind(open=runtime.refuse, most=1, recover=partial(recover, kinds[n], kinds[1 - n])) for n in (0, 1)}
    async with asyncio.timeout(10):
        await Sessions(runtime.bus, both, Endings(runtime.bus, str(tmp_path))).recover()


@pytest.mark.parametrize("dies", ["api", "runtime"])
async def test_a_side_that_dies_ends_the_session(guarded: Guarded, api: Bus, runtime: Runtime, hasty: None, dies: str) -> None:
    """Its connection is cut and never comes again, as that of a process that was killed."""
    async with connected(guarded, "api") as mortal:
        async with dial(mortal if dies == "api" else api, "echo", APP, Ask()) as (channel, _):
            await until(lambda: runtime.held)
            theirs = runtime.held[0]
            victim, left = (mortal, theirs) if dies == "api" else (runtime.bus, channel)
            await victim.client.close()
            async with asyncio.timeout(20):
                await left.over.wait()
            assert left.ended
            assert left.ended.reason == PEER_LOST
        await until(lambda: not runtime.held)
    if dies == "runtime":
        with pytest.raises(NoAnswer):
            async with dial(api, "echo", APP, Ask()):
                pass


async def test_an_outage_in_which_nothing_was_lost_is_lived_through(guarded: Guarded, api: Bus, runtime: Runtime) -> None:
    async with dial(api, "echo", APP, Ask()) as (channel, _):
        await channel.put(b"before")
        assert await echoed(channel) == b"before"
        back: list[str] = []
        for bus in (api, runtime.bus):
            bus.reconnected.append(partial(back.append, bus.service))
        guarded.restart()  # not in a thread: the server would end with it
        await until(lambda: len(back) == 2)
        await channel.put(b"after")
        assert await echoed(channel) == b"after"


async def test_what_is_lost_on_the_way_ends_the_session_on_both_sides(api: Bus, runtime: Runtime, hasty: None) -> None:
    async with dial(api, "echo", APP, Ask()) as (channel, _):
        await until(lambda: runtime.held)
        theirs = runtime.held[0]
        # Their ears are shut for the one frame.
        await theirs._subscription.unsubscribe()  # type: ignore[union-attr]
        await settle(runtime.bus)
        await channel.put(b"lost")
        await settle(api)
        await theirs.listen()
        await until(lambda: channel.ended and not runtime.held)
        assert theirs.ended
        assert {channel.ended.reason, theirs.ended.reason} == {BROKEN}  # type: ignore[union-attr]


async def test_a_stranger_to_the_secret_can_do_nothing(guarded: Guarded, api: Bus, runtime: Runtime) -> None:
    """Nobody but the two may speak or listen there, and the runtime cannot listen to all of them from outside."""
    async with connected(guarded, "metrics") as other:
        for way in ("in", "out"):
            await other.client.publish(subjects.live("ses_1", way), b"x")
        await other.client.subscribe("dockup.live.>")
        await settle(other)
        await until(lambda: len(other.refused) == 3)
        other.refused.clear()


async def test_nobody_takes_the_places_of_others(api: Bus, runtime: Runtime) -> None:
    """Of eight places one group of apps gets two, also where its apps could have more; what is over gives its place back at once."""

    async def is_open(app_id: str, stack: AsyncExitStack) -> bool:
        try:
            await stack.enter_async_context(dial(api, "shared", app_id, Ask()))
        except NotOpened as error:
            return error.code != "too_many_sessions"
        return True

    async with AsyncExitStack() as stack:
        for group in "abcd":
            assert [await is_open(f"{group}{number}", stack) for number in range(3)] == [True, True, False]
        assert not await is_open("e1", stack)
    for _ in range(20):
        async with AsyncExitStack() as stack:
            assert [await is_open("a", stack) for _ in range(3)] == [True, True, False]
