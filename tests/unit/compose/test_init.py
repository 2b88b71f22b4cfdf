"""What the `init` container writes."""

from pathlib import Path

import pytest

from libs.common.config import SettingError, load
from libs.supervisor.containers import prepare
from libs.supervisor.home import SERVICES
from libs.supervisor.settings import read_env_file
from services.router.settings import Settings

BUSES = {"BUS": "nats:4222", "BUS_ON_HOST": "127.0.0.1:14222"}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    secrets, nats = tmp_path / "secrets", tmp_path / "nats"
    secrets.mkdir()
    nats.mkdir()
    return secrets, nats


def contents(folders: tuple[Path, Path]) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for folder in folders for path in folder.iterdir()}


def test_a_second_start_changes_nothing(folders: tuple[Path, Path]) -> None:
    prepare(*folders, BUSES)
    first = contents(folders)
    prepare(*folders, BUSES)
    assert contents(folders) == first
    assert first.keys() == {"state.json", "nats.conf", *(f"{service}.env" for service in SERVICES)}


def test_nobody_else_reads_it(folders: tuple[Path, Path]) -> None:
    prepare(*folders, BUSES)
    assert not [path for folder in folders for path in folder.iterdir() if path.stat().st_mode & 0o077]


def test_a_service_starts_with_it(folders: tuple[Path, Path]) -> None:
    prepare(*folders, BUSES)
    settings = load(Settings, {"DOCKUP_HOME": "/x", **read_env_file(folders[0] / "router.env")})
    assert settings.nats_url.startswith("nats://router:")
    assert settings.nats_url.endswith("@127.0.0.1:14222")
    assert read_env_file(folders[0] / "builder.env")["DOCKUP_NATS_URL"].endswith("@nats:4222")


def test_the_bus_syncs_every_write_and_is_watched_from_inside_alone(folders: tuple[Path, Path]) -> None:
    prepare(*folders, BUSES)
    text = contents(folders)["nats.conf"]
    assert "sync_interval: always" in text
    assert 'listen: "0.0.0.0:4222"' in text
    assert 'http: "127.0.0.1:8222"' in text


def test_keys_that_cannot_be_read_are_not_replaced(folders: tuple[Path, Path]) -> None:
    (folders[0] / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(SettingError, match="cannot be read"):
        prepare(*folders, BUSES)
    assert contents(folders) == {"state.json": "{"}
