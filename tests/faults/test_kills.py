"""kill -9 of each process at a random moment of a deploy. What was accepted happens, once.

The short run has one moment for each process, the long one (`just faults`) ten, or DOCKUP_FAULT_MOMENTS; the seed is in the test's name.
"""

import asyncio
import os
import random

import pytest

from tests.faults.oracle import Oracle
from tests.stack import Stack

PROCESSES = ("api", "builder", "runtime", "metrics", "router", "nats", "redis", "haproxy", "supervisor")
LATEST_MOMENT = 0.6
"""Seconds after the request is sent; a deploy of a local image takes about 0.3 s, draining and removing the old the rest."""

MOMENTS = int(os.environ.get("DOCKUP_FAULT_MOMENTS", "10"))

SHORT = [pytest.param(victim, 1, id=f"{victim}-1") for victim in PROCESSES]
LONG = [pytest.param(victim, seed, id=f"{victim}-{seed}", marks=pytest.mark.long) for victim in PROCESSES for seed in range(2, MOMENTS + 1)]
WIPES = [pytest.param(seed, id=str(seed), marks=[pytest.mark.long] if seed > 1 else []) for seed in range(1, MOMENTS + 1)]


async def deploy_and_break(oracle: Oracle, victim: str, seed: int, *, wiped: bool = False) -> None:
    version = f"{victim}-{seed}"
    await oracle.new_version(version)
    moment = random.Random(f"{victim} {seed}").uniform(0, LATEST_MOMENT)  # noqa: S311 - a seeded moment
    sent = asyncio.create_task(oracle.deploy())
    await asyncio.sleep(moment)
    pid = oracle.stack.kill(victim)
    if wiped:
        forget_all(oracle.stack)
    deployment = await oracle.ended(await sent)
    await asyncio.to_thread(oracle.stack.wait_for_another, victim, pid)
    await asyncio.to_thread(oracle.stack.wait_until_ok, 90)
    await oracle.audit(deployment, version)


def forget_all(stack: Stack) -> None:
    """Take the JetStream folder away before the supervisor starts the server again."""
    os.rename(stack.home.nats_store, stack.home.root / f"nats-before-{os.urandom(4).hex()}")  # noqa: PTH104 - one system call, at once


@pytest.mark.parametrize(("victim", "seed"), [*SHORT, *LONG])
async def test_a_kill_in_mid_deploy(oracle: Oracle, victim: str, seed: int) -> None:
    await deploy_and_break(oracle, victim, seed)


@pytest.mark.parametrize("seed", WIPES)
async def test_the_bus_is_wiped_in_mid_deploy(oracle: Oracle, seed: int) -> None:
    await deploy_and_break(oracle, "nats", seed + 100, wiped=True)
