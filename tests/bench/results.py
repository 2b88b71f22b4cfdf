"""Where figures go: `bench-results/NAME.json` with the commit beside them, and a table for people."""

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "bench-results"

Figures = dict[str, object]


def write(name: str, figures: Figures) -> Path:
    """Keep the figures of one benchmark; the ones before are replaced."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({"name": name, **_circumstances(), "figures": figures}, indent=2) + "\n", encoding="utf-8")
    return path


def _circumstances() -> Figures:
    return {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2,
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def table(title: str, figures: Figures) -> None:
    """Print what is a plain figure; lists of samples are in the file."""
    print(f"\n{title}")
    for name, value in figures.items():
        if not isinstance(value, list | dict):
            print(f"  {name:<44} {value}")


def median(samples: Sequence[float]) -> float:
    return round(statistics.median(samples), 2)


def p95(samples: Sequence[float]) -> float:
    """The smallest sample that 95 % of them do not exceed."""
    return round(sorted(samples)[math.ceil(0.95 * len(samples)) - 1], 2)
