"""`dockup restore`: from a backup to a state folder that the next `dockup up` starts from."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyrage

from libs.common import clock
from libs.supervisor import children, process, settings
from libs.supervisor.backup import archive, databases, images, keys, parts, streams
from libs.supervisor.backup.scratch import scratch
from libs.supervisor.home import SERVICES, Home
from libs.supervisor.problem import Problem
from libs.supervisor.up import alone

Say = Callable[[str], None]
_BUS_SECONDS = 10.0
_RESTORED = ("api", "metrics", "router", "runtime", "nats", "dockup.env", "credentials.json", "backup.recipient")


def restore(home: Home, source: Path, key_file: Path | None, say: Say, *, replace: bool) -> None:
    """Unpack, check, then put into place. What was there before is moved aside, never overwritten; a failure leaves it as it was."""
    if not source.is_file():
        raise Problem(f"there is no file {source}")
    for folder in (home.root, home.run):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # No `up` begins meanwhile: systemd, for one, may be trying.
    with alone(home):
        _refuse_to_replace(home, replace=replace)
        _restore(home, source, keys.identity(key_file), say)
    say("restored; now: dockup up --detach")
    say("if containers of this installation run that are newer, writes wait until `dockup recover` says what wins")


def _restore(home: Home, source: Path, identity: pyrage.x25519.Identity, say: Say) -> None:
    with scratch(home, "restore") as folder:
        manifest = archive.read(source, folder, identity)
        say(f"the backup is whole: made {manifest.created_at} by Dockup {manifest.version}")
        if (folder / parts.DATABASE).exists():
            databases.check_sqlite(folder / parts.DATABASE)
        _restore_streams(folder, folder / "nats", say)
        if manifest.images:
            docker_host = settings.settings_of(_told(folder)).docker_host
            say(f"images: {images.load(docker_host, manifest.images, folder)}")
        _restore_postgres(folder)
        _put_into_place(home, folder, say)


def _refuse_to_replace(home: Home, *, replace: bool) -> None:
    running = [name for name in ("supervisor", "nats", *SERVICES) if process.running(home.pid_file(name))]
    if running:
        raise Problem(f"Dockup runs here ({', '.join(running)}); stop it first: dockup down")
    if home.state_file.exists() and not replace:
        raise Problem(f"there is a Dockup in {home.root}; --replace moves its state aside and restores over it")


def _restore_streams(folder: Path, store: Path, say: Say) -> None:
    store.mkdir(mode=0o700)
    with _bus(store) as url:
        found = streams.run(streams.restore, url, folder / parts.STREAMS)
    say(f"streams: {', '.join(found) or 'none'}")


@contextmanager
def _bus(store: Path) -> Iterator[str]:
    """A server on that store for as long as the block runs, for this machine alone."""
    ports = store.parent / "ports"
    ports.mkdir()
    command = [children.nats_server(), "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(store), "--ports_file_dir", str(ports)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _address(server, ports)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(ports)


def _address(server: "subprocess.Popen[bytes]", ports: Path) -> str:
    until = time.monotonic() + _BUS_SECONDS
    while server.poll() is None and time.monotonic() < until:
        for file in ports.glob("*.ports"):
            if found := [part for part in file.read_text(encoding="utf-8").split('"') if part.startswith("nats://")]:
                return found[0]
        time.sleep(0.02)
    raise Problem("a bus to restore the streams into did not start")


def _told(folder: Path) -> dict[str, str]:
    """What the next `up` goes by: the settings of the backup under those of this shell. Those that are there now are moved aside."""
    return settings.environment(Home(folder))


def _restore_postgres(folder: Path) -> None:
    dump = folder / parts.POSTGRES
    if not dump.exists():
        return
    url = _told(folder).get("DOCKUP_DATABASE_URL", "")
    if not url.startswith("postgresql"):
        raise Problem("the backup holds a PostgreSQL database; say where it goes with DOCKUP_DATABASE_URL")
    databases.load_postgres(url, dump)


def _put_into_place(home: Home, folder: Path, say: Say) -> None:
    """Each part by one rename, the state file last: without it the folder counts as empty.

    A proxy that serves meanwhile is known, and reached, by what it has in its folder: that stays.
    """
    aside = home.root / f"before-restore-{clock.now()[:19].replace(':', '')}Z"
    for name in ("state.json", *_RESTORED):
        if (home.root / name).exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            (home.root / name).rename(aside / name)
    for name in (*_RESTORED, "state.json"):
        if (folder / name).exists():
            (folder / name).rename(home.root / name)
    for path in (aside / "router").glob("*"):
        if path.suffix in parts.OF_THIS_RUN:
            home.router.mkdir(mode=0o700, exist_ok=True)
            path.rename(home.router / path.name)
    if aside.exists():
        say(f"what was there before is in {aside}")
