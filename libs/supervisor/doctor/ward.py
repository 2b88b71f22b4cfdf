"""Dockup's own processes, and the containers that nobody owns any more."""

from collections import defaultdict

from libs.common.engine import containers
from libs.common.engine.connect import Engine
from libs.common.engine.containers import ContainerListed
from libs.supervisor import process
from libs.supervisor.doctor.finding import Finding, ok, problem, skipped, warning
from libs.supervisor.doctor.patient import Patient
from libs.supervisor.home import SERVICES


async def services(patient: Patient) -> list[Finding]:
    home = patient.home
    if patient.state is None:
        return [warning("services", f"there is no Dockup in {home.root}", "start one: dockup up --detach")]
    proxy = process.foreign(home.haproxy_pid, "haproxy")
    if not patient.up:
        serves = "apps and HAProxy serve" if proxy else "and so is HAProxy: no app can be reached"
        return [warning("services", f"Dockup is down; {serves}", "start it: dockup up --detach")]
    servers = [name for name, own in (("nats", patient.settings.nats_url), ("redis", patient.settings.redis_url)) if not own]
    names = (*SERVICES, *servers)
    away = [name for name in names if not process.running(home.pid_file(name))]
    found = [problem("services", f"{name} does not run; it is started again and again", f"see why: dockup logs {name}") for name in away]
    if proxy is None:
        found.append(problem("services", "HAProxy does not run: no app can be reached", "see why: dockup logs router"))
    found += _components(patient, set(away))
    return found or [ok("services", f"{', '.join(names)} and HAProxy run")]


def _components(patient: Patient, away: set[str]) -> list[Finding]:
    """What the API says that the processes do not show."""
    if patient.status is None:
        return [] if "api" in away else [problem("services", "the API does not answer", "see why: dockup logs api")]
    sick = {name: each for name, each in patient.status["components"].items() if each["status"] not in {"ok", "standby"}}
    return [
        problem("services", f"{name} is {each['status']}: {each.get('detail') or 'no word why'}", f"see: dockup logs {name}")
        for name, each in sick.items()
        if name in SERVICES and name not in away
    ]


def of_gone_apps(patient: Patient) -> dict[str, list[ContainerListed]]:
    """By app id: containers of ours whose app was deleted. Those of apps that the database never heard of are `dockup recover`'s."""
    return {app_id: found for app_id, found in _by_app(patient).items() if patient.records and app_id in patient.records.gone}


def _by_app(patient: Patient) -> dict[str, list[ContainerListed]]:
    found: dict[str, list[ContainerListed]] = defaultdict(list)
    for each in patient.containers:
        found[each.labels.get(containers.APP_LABEL, "")].append(each)
    return found


async def strays(patient: Patient) -> list[Finding]:
    if patient.engine is None or patient.records is None:
        return [skipped("containers", "not looked at: this takes the engine and the database")]
    known = patient.records
    gone = of_gone_apps(patient)
    unknown = {app_id: each for app_id, each in _by_app(patient).items() if app_id not in known.apps and app_id not in gone}
    found = []
    if gone:
        names = ", ".join(f"{known.gone[app_id]} ({len(each)})" for app_id, each in gone.items())
        found.append(warning("containers", f"of apps that were deleted: {names}", "dockup doctor --remove-strays"))
    if unknown:
        names = ", ".join(each.name for group in unknown.values() for each in group[:3])
        found.append(warning("containers", f"of apps that the database never heard of: {names}", "dockup recover shows them"))
    return found or [ok("containers", f"{len(patient.containers)}, each of an app that is there")]


async def remove(patient: Patient) -> list[str]:
    """Remove the containers of apps that were deleted; return their names."""
    opened = await Engine.open(patient.settings.docker_host)
    try:
        found = [each for group in of_gone_apps(patient).values() for each in group]
        for each in found:
            await containers.remove(opened, each.id)
    finally:
        opened.close()
    return [each.name for each in found]
