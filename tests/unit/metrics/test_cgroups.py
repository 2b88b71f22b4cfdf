"""Cgroup files of both versions and both drivers, as the kernel writes them."""

from pathlib import Path

import pytest

from services.metrics.cgroups import Files, Usage, flat, working_set

ID = "3f" * 32
MB = 1024 * 1024

V1_MEMORY_STAT = f"""cache {30 * MB}
rss {12 * MB}
inactive_file {1 * MB}
hierarchical_memory_limit 9223372036854771712
total_cache {30 * MB}
total_inactive_file {25 * MB}
total_active_file {5 * MB}
"""
V2_MEMORY_STAT = f"""anon {12 * MB}
file {30 * MB}
inactive_file {25 * MB}
active_file {5 * MB}
"""
V2_CPU_STAT = """usage_usec 2500000
user_usec 2000000
system_usec 500000
nr_periods 0
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


def v1(cpu: str, folder: str) -> dict[str, str]:
    return {
        f"{cpu}/{folder}/cpuacct.usage": "2500000000\n",
        f"memory/{folder}/memory.usage_in_bytes": f"{42 * MB}\n",
        f"memory/{folder}/memory.stat": V1_MEMORY_STAT,
    }


def v2(folder: str) -> dict[str, str]:
    return {
        f"{folder}/cpu.stat": V2_CPU_STAT,
        f"{folder}/memory.current": f"{42 * MB}\n",
        f"{folder}/memory.stat": V2_MEMORY_STAT,
    }


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(v1("cpuacct", f"docker/{ID}"), id="v1 cgroupfs"),
        pytest.param(v1("cpuacct", f"system.slice/docker-{ID}.scope"), id="v1 systemd"),
        pytest.param(v1("cpu,cpuacct", f"docker/{ID}"), id="v1 without the short name"),
        pytest.param(v2(f"docker/{ID}"), id="v2 cgroupfs"),
        pytest.param(v2(f"system.slice/docker-{ID}.scope"), id="v2 systemd"),
    ],
)
def test_every_layout_is_found(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    reader = Files(tmp_path)
    expected = Usage(cpu_seconds=2.5, memory_bytes=17 * MB)
    assert reader.usage(ID) == expected
    assert reader.usage(ID) == expected, "the layout that worked is tried first the next time"
    assert reader.usage("0" * 64) is None


def test_half_a_folder_is_no_container(tmp_path: Path) -> None:
    """A container that ends while it is read has some of its files."""
    files = v2(f"docker/{ID}")
    del files[f"docker/{ID}/memory.current"]
    write(tmp_path, files)
    assert Files(tmp_path).usage(ID) is None


def test_what_is_no_number_is_left_out() -> None:
    assert flat("usage_usec 12\nmax max\n\nlow -1\n") == {"usage_usec": 12}


@pytest.mark.parametrize(
    ("usage", "inactive", "expected"),
    [(100, 30, 70), (100, 0, 100), (100, 100, 100), (100, 130, 100)],
)
def test_memory_is_what_docker_shows(usage: int, inactive: int, expected: int) -> None:
    """The two files are read one after the other: a cache greater than the whole is a race, not a negative figure."""
    assert working_set(usage, {"inactive_file": inactive}, "inactive_file") == expected
