"""kill -9 of each process at a random moment of a run. Each run that was accepted ran, once: the app's volume says so."""

import asyncio
import os
import random
import uuid
from typing import Any

import pytest

from libs.common.states import OPEN_RUNS
from tests import images
from tests.faults.oracle import Oracle
from tests.faults.test_kills import forget_all
from tests.stack import eventually

PROCESSES = ("api", "runtime", "nats", "supervisor")
LATEST_MOMENT = 1.5
"""Seconds after the first request is sent; a run takes half a second to make and one to end."""
MOMENTS = int(os.environ.get("DOCKUP_FAULT_MOMENTS", "3"))
CASES = [pytest.param(victim, seed, id=f"{victim}-{seed}") for victim in (*PROCESSES, "wipe") for seed in range(1, MOMENTS + 1)]
RUNS = 3


async def ask(oracle: Oracle, command: list[str]) -> dict[str, Any]:
    """As a careful client does: with a key, again until it is accepted."""
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answer = await oracle.call("POST", f"/apps/{oracle.slug}/runs", json={"command": command, "timeout_seconds": 60}, headers=headers)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ended(oracle: Oracle, run: dict[str, Any]) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found: dict[str, Any] = (await oracle.call("GET", f"/apps/{oracle.slug}/runs/{run['id']}")).json()
        assert found["status"] not in OPEN_RUNS, found
        return found

    return await eventually(look, 90, what="the run's end")


async def log(oracle: Oracle, run: dict[str, Any]) -> list[str]:
    answer = await oracle.call("GET", f"/apps/{oracle.slug}/runs/{run['id']}/logs")
    return [line["message"] for line in answer.json()["items"]]


@pytest.mark.long
@pytest.mark.parametrize(("victim", "seed"), CASES)
async def test_a_kill_in_the_middle_of_runs(oracle: Oracle, victim: str, seed: int) -> None:
    await oracle.call("POST", f"/apps/{oracle.slug}/volumes", json={"name": "data", "mount_path": "/data"})
    await oracle.call("PUT", f"/apps/{oracle.slug}", json={"image": images.bare()})
    deployment = await oracle.ended(await oracle.deploy())
    assert deployment["status"] == "live", deployment
    moment = random.Random(f"{victim} {seed}").uniform(0, LATEST_MOMENT)  # noqa: S311 - a seeded moment
    command = ["sh", "-c", "echo $0 >> /data/ran; echo $0; sleep 1"]
    sent = [asyncio.create_task(ask(oracle, [*command, f"run-{number}"])) for number in range(RUNS)]
    await asyncio.sleep(moment)
    process = "nats" if victim == "wipe" else victim
    pid = oracle.stack.kill(process)
    if victim == "wipe":
        forget_all(oracle.stack)
    runs = [await ended(oracle, await each) for each in sent]
    await asyncio.to_thread(oracle.stack.wait_for_another, process, pid)
    await asyncio.to_thread(oracle.stack.wait_until_ok, 90)
    assert [(run["status"], run["exit_code"]) for run in runs] == [("succeeded", 0)] * RUNS
    logs = [await log(oracle, run) for run in runs]
    # What LOGS held went with the bus that was wiped.
    assert all(found == [f"run-{number}"] or (victim == "wipe" and found == []) for number, found in enumerate(logs)), logs
    told = await ended(oracle, await ask(oracle, ["cat", "/data/ran"]))
    assert sorted(await log(oracle, told)) == [f"run-{number}" for number in range(RUNS)]
