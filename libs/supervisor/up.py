"""`dockup up`: make the machine ready, start the supervisor, wait until all is well, say where to go."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, sleep
from typing import NoReturn

import msgspec

from libs.common.config import PREFIX
from libs.supervisor import engine, ordinary, ports, process, ready, requirements, schema, settings, unit, welcome
from libs.supervisor.home import LAUNCHER, Home, State
from libs.supervisor.ours import ours
from libs.supervisor.problem import Problem
from libs.supervisor.progress import Progress

_READY_SECONDS = 90.0
_CLAIM_SECONDS = 20.0
_SYSTEMD_SECONDS = 60.0
# A supervisor that is killed comes back at once and adopts what runs; 0 is an orderly end, 2 a wrong setting.
_GUARD = 'while :; do "$@"; code=$?; case $code in 0|2) exit "$code";; esac; sleep 0.2; done'
_SUPERVISOR = (sys.executable, "-P", "-m", "libs.supervisor")


def up(*, detach: bool) -> int:
    """Start Dockup, or find the one that runs. Returns the exit status; in the foreground it becomes the supervisor."""
    home = settings.find_home()
    home.prepare()
    progress = Progress()
    with alone(home):
        if process.running(home.pid_file("supervisor")):
            return _find_first(home, progress)
        state = prepare(home, progress)
        by_systemd = detach and _is_systemds(home)
        if detach and not by_systemd:
            _start_detached(home)
    if by_systemd:
        _start_by_systemd(home)
    if not detach:
        _become_supervisor(home, state, progress)
    return _report(home, state, progress)


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Let one at a time change `state.json`: a second `up` then finds the first."""
    with (home.run / "up.lock").open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def _find_first(home: Home, progress: Progress) -> int:
    progress.say("Dockup is running already")
    return _report(home, home.load(), progress)


def prepare(home: Home, progress: Progress) -> State:
    """Everything before the first process. What takes a moment to refuse comes before what takes a minute to install."""
    environ = settings.environment(home)
    wanted = settings.settings_of(environ)
    for sentence in settings.unknown(environ):
        progress.say(f"note: {sentence}")
    state = _choose_ports(home, wanted)
    settings.check(home, state, environ)
    schema.refuse_newer(home, state, environ)
    with progress.step("looking at what the machine has"):
        requirements.widen_path()
        standing = engine.look(wanted.docker_host)
        start_engine = standing is engine.Standing.SILENT
        missing = requirements.missing(engine=start_engine, cache=not wanted.redis_url)
        if os.geteuid() != 0 and (refused := ordinary.refusal(missing, standing, ordinary.me())):
            raise Problem(refused)
    if missing:
        with progress.step("installing"):
            requirements.install(missing, progress.say)
    if start_engine:
        with progress.step("Docker Engine"):
            engine.start(home, wanted.docker_host, progress.say)
    return state


def _choose_ports(home: Home, wanted: settings.Settings) -> State:
    state = home.load()
    chosen = ports.choose(wanted, state.ports, ports.prober(ours(home)), root=os.geteuid() == 0)
    state = msgspec.structs.replace(state, ports=chosen)
    home.keep(state)
    return state


def _environment(home: Home) -> Mapping[str, str]:
    return {**os.environ, "DOCKUP_HOME": str(home.root)}


def _start_detached(home: Home) -> None:
    with home.log("supervisor").open("ab") as log:
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "dockup-guard", *_SUPERVISOR],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_environment(home),
            cwd="/",
        )
    process.record(home.pid_file("guard"), guard.pid)
    until = monotonic() + _CLAIM_SECONDS
    while not process.running(home.pid_file("supervisor")):
        if guard.poll() is not None or monotonic() > until:
            raise Problem(f"the supervisor did not start; its log is {home.log('supervisor')}")
        sleep(0.02)


def _is_systemds(home: Home) -> bool:
    """After `install` systemd has the watch, over what is started by hand too; not over settings of this shell, which it lacks."""
    kept = {**settings.read_env_file(home.settings_file), "DOCKUP_HOME": str(home.root)}
    own = {name: text for name, text in settings.environment(home).items() if name.startswith(PREFIX)}
    lacking = {name for name, text in own.items() if kept.get(name) != text} - settings.OF_THE_COMMAND_LINE
    return not lacking and unit.governs(home, LAUNCHER)


def _start_by_systemd(home: Home) -> None:
    """Its own `up` comes to the supervisor by the same way; the lock must be free for it."""
    unit.start()
    until = monotonic() + _SYSTEMD_SECONDS
    while not process.running(home.pid_file("supervisor")):
        if monotonic() > until:
            raise Problem("systemd did not bring the supervisor up; see: journalctl -u dockup")
        sleep(0.1)


def _become_supervisor(home: Home, state: State, progress: Progress) -> NoReturn:
    """Turn into the supervisor, so that Ctrl-C and systemd reach it; a grandchild of ours says when all is well."""
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            progress.say("Ctrl-C stops Dockup; apps and the proxy go on serving")
            os._exit(_report_safely(home, state, progress))
        os._exit(0)
    os.waitpid(pid, 0)
    with home.log("supervisor").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.chdir("/")
    os.execve(_SUPERVISOR[0], list(_SUPERVISOR), _environment(home))  # noqa: S606 - an argument list of our own


def _report_safely(home: Home, state: State, progress: Progress) -> int:
    try:
        return _report(home, state, progress)
    except Problem as problem:
        progress.say(str(problem))
        return 1
    finally:
        sys.stdout.flush()


def _report(home: Home, state: State, progress: Progress) -> int:
    if state.ports is None:
        raise Problem("no ports are chosen yet; run `dockup down`, then `dockup up`")
    with progress.step("starting the services"):
        seen = ready.wait(home, state.ports.api, _READY_SECONDS, progress.waiting_for)
    progress.say(welcome.text(home, str(seen["url"])))
    return 0
