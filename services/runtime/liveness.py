"""Watching a replica's health: quickly until it is healthy for the first time, then now and then."""

import asyncio
import random

from libs.common import clock
from libs.common.messages.api import HealthCheck
from services.runtime.probe import probe
from services.runtime.reconcile import App
from services.runtime.replica import Health
from services.runtime.routes import is_healthy
from services.runtime.steps import Probe

FIRST_GAP = 0.005
_GROWTH = 1.5
STEADY_SECONDS = 10.0
ALIVE_SECONDS = 5.0
"""What has run for so long without taking requests is healthy."""
_FAILURES = 3


async def probe_replica(app: App, step: Probe) -> None:
    """Probe until cancelled, and note each change of health."""
    if step.check is None:
        await _lives(app, step)
        return
    if not _is_trusted(app, step):
        await _until_healthy(app, step, step.check)
    failures = 0
    await asyncio.sleep(random.uniform(0, STEADY_SECONDS))  # noqa: S311 - spreads the probes of many
    while True:
        error = await probe(step.address, step.port, step.check)
        failures = failures + 1 if error else 0
        if failures == _FAILURES:
            _note(app, step, Health.UNHEALTHY, error)
        if not error:
            _note(app, step, Health.HEALTHY, "")
        await asyncio.sleep(STEADY_SECONDS if not error else min(step.check.interval_seconds, STEADY_SECONDS))


def _is_trusted(app: App, step: Probe) -> bool:
    """It is taken for healthy unprobed: that it is not has to be noticed as of any other that serves."""
    replica = app.view.replicas.get(step.container)
    return replica is not None and replica.health == Health.UNSEEN and is_healthy(replica, app.see())


async def _lives(app: App, step: Probe) -> None:
    await asyncio.sleep(max(0.0, step.since + ALIVE_SECONDS - app.world.clock.seconds()))
    _note(app, step, Health.HEALTHY, "")
    app.mark("healthy")
    await asyncio.get_running_loop().create_future()  # until it is cancelled


async def _until_healthy(app: App, step: Probe, check: HealthCheck) -> None:
    gap = FIRST_GAP
    while error := await probe(step.address, step.port, check, first=app.is_candidate(step.container)):
        app.view.change(step.container, probe_error=error)
        await asyncio.sleep(gap)
        gap = min(gap * _GROWTH, check.interval_seconds)
    _note(app, step, Health.HEALTHY, "")
    app.mark("healthy")


def _note(app: App, step: Probe, health: Health, error: str) -> None:
    old = app.view.replicas.get(step.container)
    if old is None or old.health == health or not old.running:
        return
    first = old.health in {Health.STARTING, Health.UNSEEN}
    new = app.view.change(
        step.container, health=health, healthy_at=clock.now(), probe_error=error, flips=old.flips if first else old.flips + 1
    )
    if new is not None:
        app.tell_life(new)
        app.wake()
