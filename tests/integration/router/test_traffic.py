"""What passed through the proxy is said: requests, classes, response times, and what is open, over a reload too."""

import asyncio
from collections import defaultdict

import msgspec

from libs.common import subjects
from libs.common.bus import Bus
from libs.common.messages.router import RESPONSE_BOUNDS, AppTraffic, Traffic
from tests.integration.router.replica import Replica
from tests.integration.router.stack import Stack, new_app, until
from tests.integration.router.traffic import WebSocket


class Heard:
    """All that was said, summed."""

    def __init__(self) -> None:
        self.words: list[Traffic] = []

    async def take(self, body: bytes) -> None:
        self.words.append(msgspec.json.decode(body, type=Traffic))

    def of(self, app_id: str) -> list[AppTraffic]:
        return [app for word in self.words for app in word.apps if app.app_id == app_id]

    def requests(self, app_id: str) -> int:
        return sum(app.requests for app in self.of(app_id))

    def open(self, app_id: str) -> int:
        return next((app.open for app in self.words[-1].apps if app.app_id == app_id), 0)

    def times(self, app_id: str) -> dict[int, int]:
        found: dict[int, int] = defaultdict(int)
        for app in self.of(app_id):
            for index, count in enumerate(app.times):
                found[index] += count
        return {index: count for index, count in found.items() if count}


async def test_what_passes_is_said_and_a_reload_loses_none_of_it(stack: Stack, replicas: list[Replica], bus: Bus) -> None:
    stack.set(scale_seconds="0.5", router_backends="2")
    heard, metrics = Heard(), await Bus.connect(stack.nats.url, "metrics")
    await metrics.listen(subjects.TRAFFIC, heard.take)
    await stack.start()
    busy, silent = new_app(), new_app()
    await stack.route(busy, replicas[0].upstream())
    await stack.route(silent, replicas[1].upstream())
    web_socket = await WebSocket.open(stack.root, stack.https_port, stack.host(busy))
    await until(lambda: heard.words and heard.open(busy) == 1)
    await asyncio.gather(*(stack.get(busy, "/sleep/0.3") for _ in range(5)), *(stack.get(busy) for _ in range(20)))
    await until(lambda: heard.requests(busy) == 25)
    slow = next(index for index, bound in enumerate(RESPONSE_BOUNDS) if bound >= 500)
    assert heard.times(busy)[slow] >= 5
    assert sum(heard.times(busy).values()) == 26, "the WebSocket's handshake was answered; as a request it counts when it ends"
    assert sum(app.status_2xx for app in heard.of(busy)) == 25
    assert heard.of(silent) == []

    # A third app does not fit into two backends: the proxy reloads, and the old worker keeps the WebSocket.
    await stack.route(new_app(), replicas[2].upstream())
    await stack.get(busy)
    await until(lambda: heard.requests(busy) == 26)
    assert heard.open(busy) == 1
    assert await web_socket.echoes()
    web_socket.close()
    await until(lambda: heard.open(busy) == 0)
    numbers = [word.number for word in heard.words]
    assert numbers == sorted(set(numbers))
    assert abs(sum(word.interval_seconds for word in heard.words[1:]) - 0.5 * (len(numbers) - 1)) < len(numbers) * 0.25
    await metrics.close()
