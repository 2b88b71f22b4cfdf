"""All checks, in the order in which one thing stands on another."""

import asyncio
from collections.abc import Awaitable, Callable

from libs.supervisor.doctor import machine, stores, ward
from libs.supervisor.doctor.finding import Finding, warning
from libs.supervisor.doctor.patient import Patient

Check = Callable[[Patient], Awaitable[list[Finding]]]
_SECONDS = 15.0

CHECKS: dict[str, Check] = {
    "engine": machine.engine,
    "disk": machine.disk,
    "clock": machine.clock,
    "dns": machine.dns,
    "ports": machine.listening,
    "services": ward.services,
    "bus": stores.bus,
    "database": stores.database,
    "redis": stores.redis,
    "certificates": stores.certificates,
    "containers": ward.strays,
    "recovery": stores.recovery,
    "backups": stores.backups,
}


async def examine(patient: Patient) -> list[Finding]:
    """Every check side by side; one that fails or hangs is a finding of its own and hides no other."""
    groups = await asyncio.gather(*(_run(name, check, patient) for name, check in CHECKS.items()))
    return [finding for group in groups for finding in group]


async def _run(name: str, check: Check, patient: Patient) -> list[Finding]:
    try:
        return await asyncio.wait_for(check(patient), _SECONDS)
    except Exception as error:  # noqa: BLE001 - the doctor must always come to an end
        return [warning(name, f"could not be looked at: {error or type(error).__name__}", "see: dockup logs")]
