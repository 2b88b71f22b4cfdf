import stat
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from libs.common.config import SettingError
from libs.supervisor import logs
from libs.supervisor.home import NATS_USERS, Home, Ports
from libs.supervisor.place import default_home


def test_a_new_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "state")
    home.prepare()
    state = home.load()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.state_file.stat().st_mode) == 0o600
    assert len(state.instance) == 8
    assert int(state.instance, 16) >= 0
    assert set(state.passwords) == set(NATS_USERS)
    assert len(set(state.passwords.values())) == len(NATS_USERS)
    Fernet(state.secret_key)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    state = home.load()
    assert home.load() == state
    changed = msgspec.structs.replace(state, ports=Ports(http=1, https=2, api=3, nats=4))
    home.keep(changed)
    assert Home(tmp_path).load() == changed
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_state_that_cannot_be_read_is_never_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.state_file.write_text("{")
    with pytest.raises(SettingError, match=r"DOCKUP_HOME: .*state\.json"):
        home.load()
    assert home.state_file.read_text() == "{"


@pytest.mark.parametrize(
    ("root", "why"),
    [("/" + "x" * 80, "too long"), ("/dev/null/x", "cannot write"), ("/proc/x", "cannot write")],
)
def test_a_place_that_will_not_do(root: str, why: str) -> None:
    with pytest.raises(SettingError, match=f"DOCKUP_HOME: .*{why}"):
        Home(Path(root)).prepare()


@pytest.mark.parametrize(
    ("uid", "environ", "root"),
    [
        (0, {"HOME": "/home/anna"}, "/var/lib/dockup"),
        (1000, {"HOME": "/home/anna"}, "/home/anna/.local/share/dockup"),
        (1000, {"HOME": "/home/anna", "XDG_DATA_HOME": "/data"}, "/data/dockup"),
    ],
)
def test_where_it_lies(uid: int, environ: dict[str, str], root: str) -> None:
    assert default_home(uid, environ) == Path(root)


def test_logs_stay_bounded_while_their_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)
        logs.bound(log, largest=1000)
        assert log.stat().st_size == 40
        logs.bound(log, largest=10)
        writer.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "api.log.1").read_bytes() == b"old\n" * 10
    assert stat.S_IMODE((tmp_path / "api.log.1").stat().st_mode) == 0o600


@pytest.mark.parametrize(("lines", "seen"), [(1, ["c"]), (2, ["b", "c"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c"])])
def test_the_end_of_a_log(tmp_path: Path, lines: int, seen: list[str]) -> None:
    log = tmp_path / "x.log"
    log.write_text("a\nb\nc\n")
    assert logs.tail(log, lines) == seen
    assert logs.tail(tmp_path / "absent.log", lines) == []


def test_the_end_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"{number} {'x' * 100}\n" for number in range(5_000)))
    assert [line.split()[0] for line in logs.tail(log, 2_000)] == [str(number) for number in range(3_000, 5_000)]
