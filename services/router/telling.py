"""The proxy that runs is told what is planned: what of it was refused, and why, by app."""

from collections.abc import Sequence

from services.router import commands, plan, runtime_api
from services.router.disk import Disk
from services.router.files import Files
from services.router.live import Live

Steps = Sequence[tuple[str, plan.Step]]
"""Each with its app's id."""


async def tell(files: Files, known: Live, steps: Steps) -> dict[str, str]:
    """Returns by app the first thing that HAProxy refused."""
    lines = [(app_id, line) for app_id, step in steps for line in commands.of(step, files)]
    verdicts = await runtime_api.told(files.admin, known.worker, [line for _, line in lines])
    refused: dict[str, str] = {}
    for (app_id, _), verdict in zip(lines, verdicts, strict=True):
        if verdict is not None:
            refused.setdefault(app_id, str(verdict))
    return refused


async def tell_all(files: Files, known: Live, lines: Sequence[str]) -> None:
    """What is of no app: `Refused`."""
    for verdict in await runtime_api.told(files.admin, known.worker, lines):
        if verdict is not None:
            raise verdict


def certify(disk: Disk, steps: Sequence[plan.Step]) -> str:
    """Make the certificates that are to be added; empty, or why one could not be made."""
    try:
        for step in steps:
            if isinstance(step, plan.AddCertificate):
                disk.ensure(step.host)
    except OSError as error:
        return f"Its certificate could not be written: {error}"
    return ""


async def reap(files: Files, known: Live) -> None:
    """Delete the servers that were taken out and that no connection holds any more."""
    leaving = [(backend, name) for backend, servers in known.servers.items() for name, state in servers.items() if state == "maint"]
    if not leaving:
        return
    try:
        answers = await runtime_api.ask(files.admin, [f"del server {backend}/{name}" for backend, name in leaving])
    except runtime_api.Away:
        return
    for (backend, name), answer in zip(leaving, answers, strict=True):
        if "deleted" in answer or "No such server" in answer:
            del known.servers[backend][name]
