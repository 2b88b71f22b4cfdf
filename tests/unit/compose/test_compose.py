"""compose.yaml as it is written: what each container is told, and what it may."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from libs.common.config import PREFIX
from libs.supervisor.containers import told
from libs.supervisor.home import NATS_USERS, SERVICES, State
from libs.supervisor.settings import service_settings

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "compose"
TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
SOCKET = "/var/run/docker.sock"
STATE = State(instance="0123abcd", secret_key="key", passwords={user: f"password-of-{user}" for user in NATS_USERS})
BUSES = {"BUS": "nats:4222", "BUS_ON_HOST": "127.0.0.1:14222"}


def targets(container: str) -> set[str]:
    return {volume.removesuffix(":ro").rsplit(":", 1)[1] for volume in CONTAINERS[container].get("volumes", ())}


def fields(service: str) -> set[str]:
    kind = service_settings(service)
    assert kind
    return {PREFIX + field.name.upper() for field in msgspec.structs.fields(kind)}


def test_the_five_services_and_what_they_stand_on() -> None:
    assert set(CONTAINERS) == {*SERVICES, "init", "nats", "redis"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_of_a_service_reaches_it_and_no_other(service: str) -> None:
    made = set(told(service, STATE, BUSES))
    given = set(CONTAINERS[service]["environment"])
    assert not made & given
    assert made | given == fields(service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_no_password_of_another(service: str) -> None:
    text = str(told(service, STATE, BUSES))
    own = {service, "setup"} if service == "api" else {service}
    assert {user for user in NATS_USERS if STATE.passwords[user] in text} == own


def test_a_key_of_the_operators_own_stands_instead_of_ours() -> None:
    assert told("runtime", STATE, {**BUSES, "DOCKUP_SECRET_KEY": "mine"})["DOCKUP_SECRET_KEY"] == "mine"


def test_the_engines_socket_is_in_three_containers_alone() -> None:
    assert {name for name in CONTAINERS if SOCKET in targets(name)} == {"builder", "runtime", "metrics"}
    assert "docker.sock" not in str([CONTAINERS[name] for name in CONTAINERS if SOCKET not in targets(name)])


def test_no_container_has_more_rights_than_it_needs() -> None:
    for name, container in CONTAINERS.items():
        assert container["cap_drop"] == ["ALL"], name
        assert container["security_opt"] == ["no-new-privileges:true"], name
        assert container["read_only"] is True, name
        assert not container.get("privileged"), name
    added = {name: set(container.get("cap_add", ())) for name, container in CONTAINERS.items()}
    holder = {"SETUID", "SETGID"}
    assert {name: caps for name, caps in added.items() if caps} == {
        "init": {"CHOWN", "DAC_OVERRIDE"},
        "builder": holder,
        "runtime": holder,
        "metrics": holder,
        "router": holder | {"NET_BIND_SERVICE"},
    }
    assert {name for name, container in CONTAINERS.items() if container.get("pid") == "host"} == {"runtime", "metrics"}


def test_what_ends_comes_back_and_is_watched() -> None:
    for name in CONTAINERS.keys() - {"init"}:
        assert CONTAINERS[name]["restart"] == "unless-stopped", name
        assert CONTAINERS[name]["healthcheck"]["test"][0] == "CMD", name
    assert CONTAINERS["init"]["restart"] == "no"


def test_only_the_bus_is_published_and_only_on_loopback() -> None:
    assert {name: container["ports"] for name, container in CONTAINERS.items() if "ports" in container} == {
        "nats": ["127.0.0.1:${DOCKUP_NATS_PORT:-14222}:4222"]
    }
    assert CONTAINERS["api"]["environment"]["DOCKUP_API_HOST"] == "127.0.0.1"


def test_secrets_are_written_by_init_alone() -> None:
    holders = {name: volume for name in CONTAINERS for volume in CONTAINERS[name].get("volumes", ()) if volume.startswith("secrets:")}
    assert {name for name, volume in holders.items() if not volume.endswith(":ro")} == {"init"}
    assert holders.keys() == {*SERVICES, "init"}


def test_uploads_lie_where_the_builder_looks() -> None:
    spools = {name: CONTAINERS[name]["environment"]["DOCKUP_SPOOL"] for name in ("api", "builder")}
    assert len(set(spools.values())) == 1
    assert all(f"spool:{path}" in CONTAINERS[name]["volumes"] for name, path in spools.items())


def test_builders_can_be_many() -> None:
    """A name, a published port or the host's network would be taken by the first."""
    assert not {"container_name", "ports", "network_mode"} & CONTAINERS["builder"].keys()


def test_each_image_installs_one_group_of_packages() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    wanted = {name: container["build"]["args"]["SERVICE"] for name, container in CONTAINERS.items()}
    assert wanted == {**{service: service for service in SERVICES}, **dict.fromkeys(("init", "nats", "redis"), "cli")}
    assert set(wanted.values()) <= set(groups)


def test_the_example_of_settings_has_all_that_can_be_set() -> None:
    example = set(re.findall(r"^# (DOCKUP_\w+)=", (FOLDER / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert example == set(re.findall(r"\$\{(DOCKUP_\w+)", TEXT))
