"""Cgroup files of both versions and both drivers, as the kernel writes them."""

from pathlib import Path

import pytest

from services.metrics.cgroups import Files, Usage, field, working_set

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


NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  999999      10    0    0    0     0          0         0   999999      10    0    0    0     0       0          0
  eth0:    1200      12    0    0    0     0          0         0      340       4    0    0    0     0       0          0
  eth1:     800       8    0    0    0     0          0         0       60       1    0    0    0     0       0          0
"""
V1_IO = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:16 Read 1000\n8:16 Write 24\nTotal 13312\n"
V2_IO = "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=77 dios=1\n8:16 rbytes=1000 wbytes=24 rios=1 wios=1 dbytes=0 dios=0\n"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("limited", [True, False])
def test_counters(tmp_path: Path, version: int, limited: bool) -> None:  # noqa: FBT001 - a case
    folder = f"docker/{ID}"
    if version == 1:
        files = {
            **v1("cpuacct", folder),
            f"memory/{folder}/memory.limit_in_bytes": f"{64 * MB if limited else 9223372036854771712}\n",
            f"blkio/{folder}/blkio.throttle.io_service_bytes": V1_IO,
            f"pids/{folder}/pids.current": "7\n",
            f"cpuacct/{folder}/cgroup.procs": "4242\n4243\n",
        }
    else:
        files = {
            **v2(folder),
            f"{folder}/memory.max": f"{64 * MB if limited else 'max'}\n",
            f"{folder}/io.stat": V2_IO,
            f"{folder}/pids.current": "7\n",
            f"{folder}/cgroup.procs": "4242\n",
        }
    write(tmp_path / "cgroup", files)
    write(tmp_path / "proc", {"4242/net/dev": NET_DEV})
    assert Files(tmp_path / "cgroup", tmp_path / "proc").usage(ID) == Usage(
        cpu_seconds=2.5,
        memory_bytes=17 * MB,
        memory_limit=64 * MB if limited else None,
        network_rx_bytes=2_000,
        network_tx_bytes=400,
        block_read_bytes=5_096,
        block_write_bytes=8_216,
        pids=7,
    )


@pytest.mark.parametrize("processes", ["", "0\n", "999999\n"])
def test_a_network_that_cannot_be_seen_is_not_known(tmp_path: Path, processes: str) -> None:
    """No process any more, one of another pid namespace, one that ended in between."""
    write(tmp_path / "cgroup", {**v2(f"docker/{ID}"), f"docker/{ID}/cgroup.procs": processes})
    usage = Files(tmp_path / "cgroup", tmp_path / "proc").usage(ID)
    assert usage
    assert (usage.memory_bytes, usage.network_rx_bytes) == (17 * MB, None)


def test_half_a_folder_is_no_container(tmp_path: Path) -> None:
    """A container that ends while it is read has some of its files."""
    files = v2(f"docker/{ID}")
    del files[f"docker/{ID}/memory.current"]
    write(tmp_path, files)
    assert Files(tmp_path).usage(ID) is None


def test_what_is_no_number_is_left_out() -> None:
    text = "usage_usec 12\nmax max\n\nlow -1\nlast 7"
    assert [field(text, name) for name in ("usage_usec", "max", "low", "last", "usec", "usage")] == [12, None, None, 7, None, None]


@pytest.mark.parametrize(
    ("usage", "inactive", "own", "expected"),
    [(100, 30, 5, 70), (100, 0, 5, 100), (100, 100, 5, 100), (100, 130, 5, 100), (100, 99, 5, 5), (0, 0, 5, 5)],
)
def test_memory_is_what_docker_shows(usage: int, inactive: int, own: int, expected: int) -> None:
    """The two files are read one after the other: a cache greater than the whole is a race, not a negative figure."""
    assert working_set(usage, f"inactive_file {inactive}\nanon {own}\n", "inactive_file", "anon") == expected
