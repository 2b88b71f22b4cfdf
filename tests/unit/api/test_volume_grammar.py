"""Where a volume may stand, what it may be called: nothing of it is ever a path of the server."""

import pytest

from libs.common.messages.api import Mount
from services.api.http.problems import Problem
from services.api.volumes.grammar import check_name, check_path, check_place

DATA = Mount(volume="vol_1", name="data", path="/srv/data")


@pytest.mark.parametrize("name", ["data", "d", "0", "pg-data_16", "a" * 32])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("/etc", "host_path_refused"),
        ("../data", "host_path_refused"),
        (".", "host_path_refused"),
        ("~", "host_path_refused"),
        ("~root", "host_path_refused"),
        ("./data", "host_path_refused"),
        ("data/sub", "host_path_refused"),
        ("C:\\data", "host_path_refused"),
        ("/var/run/docker.sock", "host_path_refused"),
        ("Data", "validation_failed"),
        ("-data", "validation_failed"),
        ("data-", "validation_failed"),
        ("data\n", "validation_failed"),
        ("data:ro", "validation_failed"),
        ("a" * 33, "validation_failed"),
        ("dätä", "validation_failed"),
        ("", "validation_failed"),
    ],
)
def test_no_names(name: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        check_name(name)
    assert refused.value.code == code
    assert refused.value.hint


@pytest.mark.parametrize(
    "path",
    ["/data", "/var/lib/postgresql/data", "/srv", "/opt/app/data", "/etc/grafana", "/home/node/app", "/run/app", "/procs", "/a.b@c+d_e-f"],
)
def test_places(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "data",
        "./data",
        "/",
        "//data",
        "/data/",
        "/data//sub",
        "/data/./sub",
        "/data/../etc",
        "/..",
        "/proc",
        "/proc/1",
        "/sys/fs/cgroup",
        "/dev",
        "/dev/shm",
        "/etc",
        "/etc/passwd",
        "/etc/resolv.conf",
        "/bin/sh",
        "/sbin/docker-init",
        "/lib/x86_64-linux-gnu",
        "/usr/lib/x",
        "/usr",
        "/var",
        "/var/run",
        "/tmp",
        "/root",
        "/data:ro",
        "/data\n",
        "/data,readonly",
        "/data\0",
        "/d\u00e4ta",
        "/data sub",
        "/" + "a" * 255,
    ],
)
def test_no_places(path: str) -> None:
    with pytest.raises(Problem) as refused:
        check_path(path)
    assert (refused.value.code, refused.value.errors[0].pointer) == ("mount_path_refused", "/mount_path")


@pytest.mark.parametrize("path", ["/srv/data", "/srv/data/sub", "/srv"])
def test_two_volumes_do_not_stand_in_each_other(path: str) -> None:
    with pytest.raises(Problem) as refused:
        check_place(path, [DATA])
    assert refused.value.code == "mount_path_taken"


@pytest.mark.parametrize("path", ["/srv/data2", "/srv/dat", "/data"])
def test_beside_each_other_they_may(path: str) -> None:
    check_place(path, [DATA])
