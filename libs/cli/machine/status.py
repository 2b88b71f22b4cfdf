"""`dockup status`: what the API says of every component, and which processes run."""

from typing import Any

from rich.console import Console
from rich.table import Table

from libs.supervisor import process, ready
from libs.supervisor.home import SERVICES, Home
from libs.supervisor.settings import find_home

_PROCESSES = ("supervisor", "nats", "redis", *SERVICES)
_COLOURS = {"ok": "green", "standby": "green"}


def status() -> int:
    """Return the exit status: 0 when all is well, 1 otherwise."""
    home = find_home()
    console = Console()
    state = home.load() if home.state_file.exists() else None
    answer = ready.status(state.ports.api) if state and state.ports else None
    if answer is None:
        running = [name for name in _PROCESSES if process.running(home.pid_file(name))]
        console.print(f"Dockup does not answer ({home.root}). Running: {', '.join(running) or 'nothing'}.", highlight=False)
        console.print("Start it with: dockup up --detach" if not running else "See why with: dockup logs", highlight=False)
        return 1
    console.print(f"{answer['url']} is {answer['status']}, version {answer['version']}", highlight=False)
    console.print(_components(answer))
    console.print(_processes(home))
    console.print(_disks(answer))
    return 0 if answer["status"] == "ok" else 1


def _components(answer: dict[str, Any]) -> Table:
    table = Table("component", "status", "instances", "ms", box=None, pad_edge=False)
    for name, each in answer["components"].items():
        colour = _COLOURS.get(each["status"], "red")
        table.add_row(name, f"[{colour}]{each['status']}[/]", str(each.get("instances") or ""), _number(each.get("latency_ms")))
    return table


def _disks(answer: dict[str, Any]) -> Table:
    table = Table("disk of", "status", "used %", "free GB", box=None, pad_edge=False)
    colours = {"ok": "green", "high": "yellow", "full": "red"}
    for each in answer["disks"]:
        status = f"[{colours[each['status']]}]{each['status']}[/]"
        table.add_row(", ".join(each["places"]), status, f"{each['used_percent']:g}", f"{each['free_bytes'] / 1024**3:.1f}")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _processes(home: Home) -> Table:
    table = Table("process", "pid", "log", box=None, pad_edge=False)
    for name in _PROCESSES:
        found = process.running(home.pid_file(name))
        table.add_row(name, str(found.pid) if found else "[red]not running[/]", str(home.log(name)))
    if proxy := process.foreign(home.haproxy_pid, "haproxy"):
        table.add_row("haproxy", str(proxy.pid), "")
    return table
