"""The supervisor over real processes: what is killed comes back, what outlives its supervisor is adopted, TERM ends all in order."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import msgspec
import pytest

from libs.supervisor import logs, process
from libs.supervisor.home import Home, Ports
from tests.integration.supervisor.small import small_disk
from tests.servers.ports import free_port

ROOT = Path(__file__).parents[3]
NAMES = ("nats", "redis", "first", "second")


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not happen in time"
        sleep(0.02)


class Family:
    def __init__(self, home: Home) -> None:
        self.home = home
        self._supervisors: list[subprocess.Popen[bytes]] = []

    def start(self, **extra: str) -> "subprocess.Popen[bytes]":
        with self.home.log("supervisor").open("ab") as log:
            self._supervisors.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.integration.supervisor.family"],
                    env={**os.environ, "DOCKUP_HOME": str(self.home.root), **extra},
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        return self._supervisors[-1]

    def pid(self, name: str) -> int:
        found = process.running(self.home.pid_file(name))
        return found.pid if found else 0

    def all_up(self) -> bool:
        return all(self.pid(name) for name in NAMES) and self.home.redis_socket.exists()

    def events(self, event: str) -> list[dict[str, object]]:
        lines = self.home.log("supervisor").read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry["event"] == event]

    def clean(self) -> None:
        for supervisor in self._supervisors:
            if supervisor.poll() is None:
                supervisor.kill()
            supervisor.wait()
        for name in (*NAMES, "stubborn"):
            if found := process.running(self.home.pid_file(name)):
                process.tell(found, signal.SIGKILL)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    home = Home(tmp_path)
    home.prepare()
    ports = Ports(http=free_port(), https=free_port(), api=free_port(), nats=free_port())
    home.keep(msgspec.structs.replace(home.load(), ports=ports))
    made = Family(home)
    yield made
    made.clean()


def test_a_child_that_is_killed_comes_back(family: Family) -> None:
    family.start()
    until(family.all_up)
    for name in NAMES:
        before = family.pid(name)
        os.kill(before, signal.SIGKILL)
        until(lambda name=name, before=before: family.pid(name) not in {0, before})
    ended = {str(entry["child"]): entry["status"] for entry in family.events("child.ended")}
    assert ended == dict.fromkeys(NAMES, -signal.SIGKILL)


def test_children_outlive_a_supervisor_that_is_killed_and_are_adopted(family: Family) -> None:
    first = family.start()
    until(family.all_up)
    before = {name: family.pid(name) for name in NAMES}
    first.kill()
    first.wait()
    assert {name: family.pid(name) for name in NAMES} == before

    family.start()
    until(lambda: len(family.events("child.adopted")) == len(NAMES))
    assert {name: family.pid(name) for name in NAMES} == before
    os.kill(before["first"], signal.SIGKILL)
    until(lambda: family.pid("first") not in {0, before["first"]})
    assert family.pid("second") == before["second"]


def test_a_second_supervisor_leaves_the_first_alone(family: Family) -> None:
    family.start()
    until(family.all_up)
    assert family.start().wait(20) == process.BUSY
    assert family.all_up()


def test_term_ends_everybody_services_first(family: Family) -> None:
    supervisor = family.start()
    until(family.all_up)
    supervisor.terminate()
    assert supervisor.wait(20) == 0
    assert not any(family.pid(name) for name in NAMES)
    order = [str(entry["child"]) for entry in family.events("child.stopped")]
    assert set(order[:2]) == {"first", "second"}
    assert order[2:] == ["redis", "nats"]


def test_services_start_again_with_what_is_said_now(family: Family) -> None:
    supervisor = family.start()
    until(lambda: family.all_up() and family.home.log("second").read_text())
    before = {name: family.pid(name) for name in NAMES}
    word = family.home.root / "word"
    word.write_text("wrong")
    supervisor.send_signal(signal.SIGUSR1)
    until(lambda: family.events("supervisor.settings_refused"))
    assert {name: family.pid(name) for name in NAMES} == before
    word.write_text("goodbye")
    supervisor.send_signal(signal.SIGUSR1)
    for name in ("first", "second"):
        log = family.home.log(name)
        until(lambda log=log: "goodbye" in log.read_text())
        assert family.pid(name) != before[name]
    assert {name: family.pid(name) for name in ("nats", "redis")} == {name: before[name] for name in ("nats", "redis")}
    stopped, started = family.events("child.stopped"), family.events("child.started")
    assert max(str(entry["at"]) for entry in stopped) <= min(str(entry["at"]) for entry in started[-2:]), "first all end"


def test_adopted_children_are_ended_too(family: Family) -> None:
    first = family.start()
    until(family.all_up)
    first.kill()
    first.wait()
    second = family.start()
    until(lambda: len(family.events("child.adopted")) == len(NAMES))
    second.terminate()
    assert second.wait(20) == 0
    assert not any(family.pid(name) for name in NAMES)


def test_a_word_to_end_before_they_are_adopted_ends_them_too(family: Family) -> None:
    first = family.start()
    until(family.all_up)
    first.kill()
    first.wait()
    second = family.start(SLOW="1")
    until(lambda: family.pid("supervisor") == second.pid)
    second.terminate()
    (family.home.root / "go").touch()
    assert second.wait(20) == 0
    assert not any(family.pid(name) for name in NAMES)


def test_what_a_child_leaves_behind_does_not_hold_its_place(family: Family, tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()
    family.start(LEAVES=str(left))
    try:
        until(lambda: family.all_up() and list(left.iterdir()))
        before = family.pid("first")
        os.kill(before, signal.SIGKILL)
        until(lambda: family.pid("first") not in {0, before})
    finally:
        for sleeper in left.iterdir():
            os.kill(int(sleeper.name), signal.SIGKILL)


def test_a_log_that_there_is_no_room_to_copy_does_not_end_the_watch(family: Family) -> None:
    with small_disk(family.home.logs, "1m"):
        long = family.home.log("long")
        with long.open("wb") as file:
            file.truncate(logs.LARGEST + 1)
        supervisor = family.start()
        until(family.all_up)
        before = family.pid("first")
        os.kill(before, signal.SIGKILL)
        until(lambda: family.pid("first") not in {0, before})
        assert supervisor.poll() is None
        assert long.stat().st_size == logs.LARGEST + 1
        assert not long.with_suffix(".log.1").exists()
        family.clean()


@pytest.mark.long
def test_who_does_not_take_term_is_killed_after_a_while(family: Family) -> None:
    supervisor = family.start(STUBBORN="1")
    until(lambda: family.all_up() and family.pid("stubborn"))
    supervisor.terminate()
    assert supervisor.wait(30) == 0
    assert (family.home.root / "told").exists()
    assert not family.pid("stubborn")


def test_each_has_a_session_a_log_and_the_environment_it_was_given(family: Family) -> None:
    supervisor = family.start()
    until(family.all_up)
    log = family.home.log("first")
    until(log.read_text)
    pid = family.pid("first")
    assert log.read_text() == f"here {pid} hello\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert os.getsid(pid) == pid != os.getsid(supervisor.pid)
    assert Path(f"/proc/{pid}/comm").read_text() == "dockup-first\n"


def test_a_pid_of_another_process_is_never_taken_for_ours(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        file = tmp_path / "x.pid"
        process.record(file, stranger.pid)
        assert process.running(file)
        pid, started, boot = file.read_text().split()
        for other in (f"{pid} {int(started) + 1} {boot}", f"{pid} {started} another-boot", "", "no pid", f"{pid}"):
            file.write_text(other)
            assert process.running(file) is None
    finally:
        stranger.kill()
        stranger.wait()
    assert process.running(tmp_path / "absent.pid") is None
