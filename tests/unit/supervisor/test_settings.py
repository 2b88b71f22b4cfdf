from pathlib import Path

import msgspec
import pytest

from libs.common.config import SettingError
from libs.supervisor import settings
from libs.supervisor.home import Home, Ports, State

PORTS = Ports(http=80, https=443, api=8000, nats=14222)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.prepare()
    return home


@pytest.fixture
def state(home: Home) -> State:
    return msgspec.structs.replace(home.load(), ports=PORTS)


def test_the_file_s_lines(home: Home) -> None:
    home.settings_file.write_text("# mine\n\nDOCKUP_TLS=off\nexport DOCKUP_ADMIN_EMAIL = 'a@b.c'\nDOCKUP_X=\"a=b\"\n")
    assert settings.read_env_file(home.settings_file) == {
        "DOCKUP_TLS": "off",
        "DOCKUP_ADMIN_EMAIL": "a@b.c",
        "DOCKUP_X": "a=b",
    }


@pytest.mark.parametrize("value", ["plain", "a=b # c", '"quoted"', "'", " spaced ", '"a" and "b"', "it's"])
def test_what_is_written_is_read(home: Home, value: str) -> None:
    home.settings_file.write_text(settings.env_line("DOCKUP_ADMIN_PASSWORD", value))
    assert settings.read_env_file(home.settings_file) == {"DOCKUP_ADMIN_PASSWORD": value}


@pytest.mark.parametrize("value", ["two\nlines", "end\n", "a\rb", "a\x85b"])
def test_what_one_line_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="DOCKUP_ADMIN_PASSWORD: has several lines"):
        settings.env_line("DOCKUP_ADMIN_PASSWORD", value)


@pytest.mark.parametrize("line", ["DOCKUP_TLS", "TLS=off", "=x", "a b"])
def test_a_line_that_is_none_is_named(home: Home, line: str) -> None:
    home.settings_file.write_text(f"DOCKUP_TLS=off\n{line}\n")
    with pytest.raises(SettingError, match=r"line 2 of .*dockup\.env"):
        settings.read_env_file(home.settings_file)


def test_the_environment_wins_over_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.settings_file.write_text("DOCKUP_TLS=off\nDOCKUP_BASE_DOMAIN=example.org\n")
    monkeypatch.setenv("DOCKUP_TLS", "internal")
    monkeypatch.setenv("DOCKUP_BASE_DOMAIN", "")
    found = settings.environment(home)
    assert found["DOCKUP_TLS"] == "internal"
    assert found["DOCKUP_BASE_DOMAIN"] == "example.org"


def test_each_service_has_its_own_user_and_only_the_api_the_setup_s(home: Home, state: State) -> None:
    for service in ("api", "runtime"):
        given = settings.service_environment(service, home, state, {"DOCKUP_TOKEN": "dkp_x", "DOCKUP_ADMIN_EMAIL": "a@b.c"})
        assert given["DOCKUP_NATS_URL"] == f"nats://{service}:{state.passwords[service]}@127.0.0.1:14222"
        assert ("DOCKUP_NATS_SETUP_URL" in given) == (service == "api")
        assert given["DOCKUP_ADMIN_EMAIL"] == "a@b.c"
        assert "DOCKUP_TOKEN" not in given
        others = {password for user, password in state.passwords.items() if user not in {service, "setup"}}
        assert not any(password in text for password in others for text in given.values())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DOCKUP_HTTPS_PORT", "70000"),
        ("DOCKUP_HTTPS_PORT", "https"),
        ("DOCKUP_DOCKER_HOST", "/var/run/docker.sock"),
        ("DOCKUP_BASE_DOMAIN", "Not A Domain"),
        ("DOCKUP_TLS", "maybe"),
        ("DOCKUP_UPLOAD_MAX_MB", "-1"),
    ],
)
def test_a_wrong_setting_of_any_service_is_named(home: Home, state: State, name: str, text: str) -> None:
    with pytest.raises(SettingError, match=name):
        settings.check(home, state, {name: text})


def test_a_misspelt_setting_is_said() -> None:
    (sentence,) = settings.unknown({"DOCKUP_HTPS_PORT": "1", "DOCKUP_TLS": "off", "PATH": "/bin"})
    assert sentence == "DOCKUP_HTPS_PORT is not a setting; did you mean DOCKUP_HTTPS_PORT?"
