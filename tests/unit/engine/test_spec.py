"""What a container is made from."""

import pytest

from libs.common.engine.spec import ContainerSpec, VolumeMount, create_body

PLAIN = ContainerSpec(
    name="dk-app_1-web-r1.0-1",
    image_id="sha256:abc",
    labels={"dockup.app": "app_1"},
    env={"A": "1", "B": "x=y"},
    command=None,
    network="net",
    address=None,
    port=8080,
    cpu=None,
    memory=None,
)


def changed(**fields: object) -> dict[str, object]:
    values = {name: getattr(PLAIN, name) for name in PLAIN.__struct_fields__}
    return create_body(ContainerSpec(**{**values, **fields}))


def host(**fields: object) -> dict[str, object]:
    found = changed(**fields)["HostConfig"]
    assert isinstance(found, dict)
    return found


def test_the_hardening_stands_whole() -> None:
    assert host() == {
        "NetworkMode": "net",
        "RestartPolicy": {"Name": "no"},
        "CapDrop": ["ALL"],
        "CapAdd": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,
        "PidsLimit": 1024,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    }


def test_volumes_are_the_engines_own_and_never_a_path_of_the_host() -> None:
    mounts = host(volumes=(VolumeMount(name="dk-i-vol_1-1", path="/data", labels={"dockup.volume": "vol_1"}),))["Mounts"]
    options = {"Labels": {"dockup.volume": "vol_1"}}
    assert mounts == [{"Type": "volume", "Source": "dk-i-vol_1-1", "Target": "/data", "VolumeOptions": options}]


def test_the_rest_of_the_body() -> None:
    body = create_body(PLAIN)
    assert {key: body[key] for key in body if key != "HostConfig"} == {
        "Image": "sha256:abc",
        "Labels": {"dockup.app": "app_1"},
        "Env": ["A=1", "B=x=y"],
        "ExposedPorts": {"8080/tcp": {}},
        "NetworkingConfig": {"EndpointsConfig": {"net": {}}},
    }


@pytest.mark.parametrize(
    ("cpu", "quota"),
    [(0.05, 5_000), (0.1, 10_000), (0.29, 29_000), (1, 100_000), (1.5, 150_000), (64, 6_400_000)],
)
def test_cpu(cpu: float, quota: int) -> None:
    found = host(cpu=cpu)
    assert (found["CpuPeriod"], found["CpuQuota"]) == (100_000, quota)


@pytest.mark.parametrize(("memory", "size"), [(16, 16_777_216), (512, 536_870_912)])
def test_memory_leaves_no_swap(memory: int, size: int) -> None:
    found = host(memory=memory)
    assert (found["Memory"], found["MemorySwap"]) == (size, size)


def test_address_command_and_policy() -> None:
    body = changed(address="10.213.0.2", command=("serve", "--port", "1"), restart_policy="unless-stopped")
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"net": {"IPAMConfig": {"IPv4Address": "10.213.0.2"}}}}
    assert body["Cmd"] == ["serve", "--port", "1"]
    assert host(restart_policy="unless-stopped")["RestartPolicy"] == {"Name": "unless-stopped"}
    assert changed(command=())["Cmd"] == []
