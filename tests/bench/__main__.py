"""The command: starts a stack of its own, measures, writes, prints."""

import argparse
import asyncio

from tests.bench import (
    build,
    death,
    deploy,
    history,
    log_stream,
    memory,
    neighbours,
    reads,
    redeploy,
    storm,
    sync,
    upload,
    wake,
    webhooks,
)
from tests.bench import exec as exec_bench
from tests.bench.results import table, write
from tests.stack import Stack

BENCHES = {
    "memory": (memory.measure, "Memory when idle (PSS)"),
    "deploy": (deploy.measure, "A deploy beside the raw engine"),
    "redeploy": (redeploy.measure, "Redeploys under 100 requests/s"),
    "reads": (reads.measure, "Reading beside a hello"),
    "wake": (wake.measure, "A wake from sleep beside the engine's start"),
    "exec": (exec_bench.measure, "An echo in a container beside the engine's own"),
    "death": (death.measure, "A death over SSE beside the engine's own event"),
    "sync": (sync.measure, "A sync of 100 containers beside a bare list"),
    "history": (history.measure, "A day of history beside the app itself"),
    "storm": (storm.measure, "Deploys sent at once, four for each app"),
    "webhooks": (webhooks.measure, "A hundred webhooks in a second, and a push to its build"),
    "upload": (upload.measure, "An upload of 1 GB beside docker load"),
    "log_stream": (log_stream.measure, "10,000 lines a second to a WebSocket, then 200 of these"),
    "build": (build.measure, "A cached rebuild beside a clone and docker build"),
    "neighbours": (neighbours.measure, "An app beside builds that use too much memory"),
}
"""In this order: memory is measured before the others have used the services."""
_ROUNDS = {
    "deploy": 30,
    "redeploy": 20,
    "wake": 30,
    "exec": 500,
    "death": 20,
    "storm": 50,
    "webhooks": 20,
    "upload": 3,
    "build": 15,
    "neighbours": 5,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all when left out")
    parser.add_argument("--rounds", type=int, help="instead of 30 deploys, 20 redeploys, 20 deaths 50 apps of the storm and 20 pushes")
    given = parser.parse_args()
    if wrong := set(given.names) - BENCHES.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(wrong))}")
    stack = Stack()
    try:
        stack.up()
        for name, (measure, title) in BENCHES.items():
            if not given.names or name in given.names:
                figures = asyncio.run(measure(stack, given.rounds or _ROUNDS.get(name, 1)))
                table(title, figures)
                print(f"  → {write(name, figures)}", flush=True)
    finally:
        stack.destroy()


if __name__ == "__main__":
    main()
