"""Does the service of this container answer on the bus? What a container's health check runs: `python -m libs.common.alive`.

The answer comes out of the service's own loop, over the bus, the way everybody else would ask; of several instances only the one on this
host counts. Exit status 0 when it answered within `SECONDS`, whatever it said of its health: what it waits for, a restart would not bring.
"""

import asyncio
import os
import socket
import sys
from urllib.parse import urlsplit

import msgspec
import nats
import nats.errors

from libs.common import subjects
from libs.common.messages.ping import Pong

SECONDS = 3.0


async def ask(url: str, host: str) -> Pong | None:
    """What the instance on `host` of the service whose bus address `url` is says; None without an answer in time."""
    service = urlsplit(url).username or ""
    try:
        async with asyncio.timeout(SECONDS):
            client = await nats.connect(url, inbox_prefix=f"_INBOX_{service}", allow_reconnect=False, max_reconnect_attempts=0)
            try:
                inbox = client.new_inbox()
                answers = await client.subscribe(inbox)
                await client.publish(subjects.query(service, "ping"), b"{}", reply=inbox)
                async for message in answers.messages:
                    if message.data and (pong := msgspec.json.decode(message.data, type=Pong)).host == host:
                        return pong
            finally:
                await client.close()
    except (TimeoutError, OSError, nats.errors.Error):
        return None
    return None


def main() -> None:
    pong = asyncio.run(ask(os.environ.get("DOCKUP_NATS_URL", ""), socket.gethostname()))
    sys.stdout.write(f"{pong.status} {pong.detail}\n" if pong else f"no answer within {SECONDS:g} s\n")
    raise SystemExit(0 if pong else 1)


if __name__ == "__main__":
    main()
