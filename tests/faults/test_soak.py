"""Several careful clients, several apps, every verb, and everything that can break breaks: nothing is lost, doubled or left over.

The short run is half a minute under a few faults. The long one (`just soak`) takes 20 minutes, or DOCKUP_SOAK_SECONDS, with the seed
DOCKUP_SOAK_SEED. The seed fixes what the clients ask and which faults come in which order; how the two meet is the machine's.
"""

import os
import sys

import pytest

from tests.faults.engine import OwnEngine
from tests.faults.soak import Plan, soak
from tests.faults.world import world

SECONDS = float(os.environ.get("DOCKUP_SOAK_SECONDS", "1200"))
SEED = int(os.environ.get("DOCKUP_SOAK_SEED", "1"))

pytestmark = pytest.mark.skipif(not OwnEngine.is_possible(), reason="starts a dockerd and mounts a tmpfs: root and docker.io")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def test_a_short_load() -> None:
    with world(say) as small:
        result = await soak(small, Plan(seed=7, seconds=12, apps=3, clients=3, gap=(0.7, 2.0), scale=0.2, pause=0.2))
    assert result.is_clean, str(result)


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 900)
async def test_soak() -> None:
    with world(say) as large:
        result = await soak(large, Plan(seed=SEED, seconds=SECONDS))
    assert result.is_clean, str(result)
