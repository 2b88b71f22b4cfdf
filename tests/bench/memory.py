"""What a whole Dockup takes when nothing happens: PSS of every process, the engine aside. The code of `just memory`."""

import asyncio

from libs.supervisor.memory import measure as of_home
from tests.bench.results import Figures
from tests.stack import Stack

IDLE = 20.0


async def measure(stack: Stack, _rounds: int) -> Figures:
    await asyncio.sleep(IDLE)
    found = of_home(stack.home)
    return {"all MB (at most 250)": round(sum(found.values()), 1), **{f"{name} MB": size for name, size in found.items()}}
