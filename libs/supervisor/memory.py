"""How much memory a running Dockup takes: PSS (shared pages divided among their sharers) of each of its processes, engine excluded.

`python -m libs.supervisor.memory [--json]`; needs the rights to read the processes' `smaps_rollup`.
"""

import json
import sys
from pathlib import Path

from libs.supervisor import process
from libs.supervisor.home import SERVICES, Home
from libs.supervisor.settings import find_home

_OWN = ("guard", "supervisor", "nats", "redis", *SERVICES)


def measure(home: Home) -> dict[str, float]:
    """Process name → megabytes (1024²), children of each included."""
    found = {name: process.running(home.pid_file(name)) for name in _OWN}
    found["haproxy"] = process.foreign(home.haproxy_pid, "haproxy")
    own = {each.pid for each in found.values() if each}
    return {name: round(sum(map(_pss, _family(each.pid, own))) / 1024, 1) for name, each in found.items() if each}


def _family(pid: int, own: set[int]) -> list[int]:
    """A process and its descendants, but not those that are counted by themselves."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in map(int, children) if child not in own for each in _family(child, own))]


def _pss(pid: int) -> int:
    """Kilobytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def main() -> int:
    found = measure(find_home())
    total = round(sum(found.values()), 1)
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"processes": found, "total_mb": total}) + "\n")
        return 0
    for name, megabytes in found.items():
        sys.stdout.write(f"{name:<12} {megabytes:>7.1f} MB\n")
    sys.stdout.write(f"{'all':<12} {total:>7.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
