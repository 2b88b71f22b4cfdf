"""kill -9 in the middle of a backup and of a restore, through the whole of Dockup: what was asked for is made, or said to have failed."""

import asyncio
import os
import random

import pytest

from tests import images
from tests.faults.oracle import Oracle
from tests.stack import eventually

MOMENTS = int(os.environ.get("DOCKUP_FAULT_MOMENTS", "3"))
CASES = [pytest.param(victim, seed, id=f"{victim}-{seed}") for victim in ("api", "runtime", "nats") for seed in range(1, MOMENTS + 1)]


@pytest.mark.long
@pytest.mark.parametrize(("victim", "seed"), CASES)
async def test_a_kill_in_the_middle_of_a_backup_and_a_restore(oracle: Oracle, victim: str, seed: int) -> None:
    base = f"/apps/{oracle.slug}"
    made = (await oracle.call("POST", f"{base}/volumes", json={"name": "data", "mount_path": "/data"})).json()
    path = f"{base}/volumes/{made['id']}"
    await oracle.call("PUT", base, json={"image": images.bare()})
    assert (await oracle.ended(await oracle.deploy()))["status"] == "live"
    filled = ["sh", "-c", "echo precious > /data/kept; dd if=/dev/urandom of=/data/large bs=1M count=48"]
    await oracle.call("POST", f"{base}/runs", params={"wait": 60}, json={"command": filled})
    moment = random.Random(f"{victim} {seed}").uniform(0.2, 1.5)  # noqa: S311 - a seeded moment
    folder = oracle.stack.home.root / "backups" / "volumes" / made["id"]

    await oracle.call("POST", f"{path}/backups")
    await again(oracle, victim, moment)

    async def ended() -> bool:
        volume = (await oracle.call("GET", path)).json()
        assert volume["last_backup_at"], volume
        return volume["last_backup_error"] is not None or bool((await oracle.call("GET", f"{path}/backups")).json()["items"])

    await eventually(ended, 90, what="the end of the backup")
    await oracle.call("POST", f"{path}/backups", params={"wait": 60})
    (backup, *_) = (await oracle.call("GET", f"{path}/backups")).json()["items"]

    restoring = asyncio.create_task(oracle.client.post(f"{path}/backups/{backup['name']}/restore", params={"wait": 60}))
    await again(oracle, victim, moment)
    await asyncio.gather(restoring, return_exceptions=True)

    async def kept() -> bool:
        run = (await oracle.call("POST", f"{base}/runs", params={"wait": 60}, json={"command": ["cat", "/data/kept"]})).json()
        assert (run["status"], run["exit_code"]) == ("succeeded", 0), run
        return True

    await eventually(kept, 60, what="the data")

    async def restored() -> bool:
        answer = await oracle.client.post(f"{path}/backups/{backup['name']}/restore", params={"wait": 60})
        assert answer.status_code in {200, 429}, answer.text  # that the other side is gone is noticed eight seconds later
        return answer.status_code == 200

    await eventually(restored, 60, what="another restore")
    await kept()

    async def one_copy() -> bool:
        return len(oracle.stack.leftovers().volumes(oracle.app_id)) == 1

    await eventually(one_copy, 60, what="the other copies to be gone")
    assert [entry.name for entry in folder.iterdir() if entry.name.endswith(".part")] == [] or victim == "api"


async def again(oracle: Oracle, victim: str, moment: float) -> None:
    await asyncio.sleep(moment)
    pid = oracle.stack.kill(victim)
    await asyncio.to_thread(oracle.stack.wait_for_another, victim, pid)
    await asyncio.to_thread(oracle.stack.wait_until_ok, 90)
