"""`dockup scale`: how many replicas, and how much each may have; at once, without a deploy."""

import re
from collections.abc import Sequence

import click

from libs.cli import show
from libs.cli.apps.verb import Call, app_argument, path, verb
from libs.cli.remote.errors import Json

WEB = "web"
_COUNT = re.compile(r"(?:(?P<process>[a-z][a-z0-9-]{0,19})=)?(?P<count>\d{1,5})")
_MEMORY = re.compile(r"(?P<amount>\d{1,7})(?P<unit>m|mb|g|gb)?", re.IGNORECASE)
_MB = {"m": 1, "mb": 1, "g": 1024, "gb": 1024}
_NONE = "none"


@verb
@app_argument
@click.argument("counts", nargs=-1, metavar="[N | PROCESS=N] …")
@click.option("--cpu", metavar="CORES", help="Cores that a replica may use, such as 0.5; `none` is no limit.")
@click.option("--memory", metavar="MB", help="Memory that a replica may use, such as 256, 512m or 2g; `none` is no limit.")
def scale(call: Call, *, app: str, counts: Sequence[str], cpu: str | None, memory: str | None) -> None:
    """Change at once how many replicas an app or its processes have, and the limits of those named. Without any of it: show them."""
    wanted = settings(counts, cpu, memory)
    seen: Json = call.api.ask("PUT", path(app), wanted).json if wanted else call.api.get(path(app))
    if call.as_json:
        call.tell(seen)
        return
    show.echo(f"{WEB}: {seen['current_replicas']} of {seen['replicas']} replicas run; {_each(seen)}")
    for name, process in seen["processes"].items():
        show.echo(f"{name}: {process['replicas']} replicas; {_each(process)}")


def _each(sized: Json) -> str:
    cores = f"{sized['cpu_limit']:g} cores" if sized["cpu_limit"] is not None else "no limit of CPU"
    amount = f"{sized['memory_limit']} MB" if sized["memory_limit"] is not None else "no limit of memory"
    return f"{cores}, {amount} each"


def settings(counts: Sequence[str], cpu: str | None, memory: str | None) -> Json:
    """The fields of the app to change. A usage error for what is not understood."""
    sizes: dict[str, Json] = {}
    for text in counts:
        match = _COUNT.fullmatch(text)
        if match is None:
            raise click.UsageError(f"{text!r} is no number of replicas: N, or PROCESS=N.")
        process = match["process"] or WEB
        if process in sizes:
            raise click.UsageError(f"The number of {process!r} is given twice.")
        sizes[process] = {"replicas": int(match["count"])}
    limits: Json = {}
    if cpu is not None:
        limits["cpu_limit"] = None if cpu == _NONE else _cores(cpu)
    if memory is not None:
        limits["memory_limit"] = None if memory == _NONE else _megabytes(memory)
    if limits and not sizes:
        sizes[WEB] = {}
    found: Json = {**sizes.pop(WEB), **limits} if WEB in sizes else {}
    return {**found, "processes": {name: {**size, **limits} for name, size in sizes.items()}} if sizes else found


def _cores(text: str) -> float:
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text):
        raise click.UsageError(f"{text!r} is no number of cores: such as 0.5, or `none`.")
    return float(text)


def _megabytes(text: str) -> int:
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise click.UsageError(f"{text!r} is no amount of memory: such as 256, 512m or 2g, or `none`.")
    return int(match["amount"]) * _MB[(match["unit"] or "m").lower()]
