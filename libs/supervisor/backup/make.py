"""`dockup backup`: everything that this installation cannot make again, in one encrypted file, while it runs."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from libs.common import clock
from libs.common.version import VERSION
from libs.supervisor import settings
from libs.supervisor.backup import archive, images, keys, parts
from libs.supervisor.backup.scratch import scratch
from libs.supervisor.home import Home
from libs.supervisor.problem import Problem

Say = Callable[[str], None]


def backup(home: Home, target: Path | None, say: Say, *, with_images: bool) -> Path:
    """Write the backup and return its path: `target`, or one named for the moment in the state folder's `backups`."""
    if not home.state_file.exists():
        raise Problem(f"there is no Dockup in {home.root}")
    path = target or home.backups / f"dockup-{clock.now()[:19].replace(':', '')}Z.age"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    archive.sweep(path.parent)
    recipient, secret = keys.recipient(home)
    if secret:
        _show_once(secret, say)
    with scratch(home, "backup") as folder:
        _gather(home, settings.environment(home), folder, say, with_images=with_images)
        archive.write(folder, path, recipient)
    say(f"wrote {path} ({path.stat().st_size / 1024**2:.1f} MB)")
    return path


def _show_once(secret: str, say: Say) -> None:
    say(
        "This is the key that opens the backups. It is shown this once and kept nowhere on this machine:\n"
        f"write it down, away from here.\n\n  {secret}\n"
    )


def _gather(home: Home, environ: Mapping[str, str], folder: Path, say: Say, *, with_images: bool) -> None:
    state = home.load()
    url = environ.get("DOCKUP_DATABASE_URL", "")
    database_url = url if url.startswith("postgresql") else ""
    nats_url = settings.service_environment("api", home, state, environ)["DOCKUP_NATS_SETUP_URL"]
    schema = parts.gather(home, database_url=database_url, nats_url=nats_url, folder=folder, say=say)
    held = {}
    if with_images:
        held = images.save(settings.settings_of(environ).docker_host, _apps(folder, home), folder)
        say(f"images: {len(held)}")
    if (left_out := _volumes(folder)) != 0:
        many = "" if left_out is None else f": {left_out}"
        say(f"volumes whose data is not in it{many} (they have backups of their own: docs/operations.md, Volumes)")
    manifest = parts.Manifest(
        format=parts.FORMAT,
        version=VERSION,
        schema=schema,
        instance=state.instance,
        created_at=clock.now(),
        parts=archive.fingerprints(folder),
        images=held,
    )
    (folder / parts.MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def _volumes(folder: Path) -> int | None:
    """How many there are, by the copy of the database; None where that is a server's."""
    copy = folder / parts.DATABASE
    if not copy.exists():
        return None
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM volumes").fetchone()
    return int(count)


def _apps(folder: Path, home: Home) -> list[str]:
    """The apps that are there, by the copy of the database; with PostgreSQL by what the API says."""
    copy = folder / parts.DATABASE
    if copy.exists():
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as database:
            return [app_id for (app_id,) in database.execute("SELECT id FROM apps WHERE gone_at IS NULL")]
    from libs.cli.machine.client import every  # noqa: PLC0415 - only where it is needed

    del home
    return [str(app["id"]) for app in every("/apps")]
