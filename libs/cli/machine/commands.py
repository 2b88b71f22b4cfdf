"""The verbs of this machine's Dockup. Each imports what it needs when it runs, so that every one of them starts fast."""

import sys
from pathlib import Path

import click

from libs.cli import say

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--detach", "-d", is_flag=True, help="Start it in the background and return when it is ready.")
def up(*, detach: bool) -> None:
    """Start Dockup; install what is missing (as root), start a Docker Engine if none answers."""
    from libs.supervisor.up import up as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        sys.exit(run(detach=detach))


@click.command()
@click.option("--all", "everything", is_flag=True, help="Stop the proxy and the apps too.")
def down(*, everything: bool) -> None:
    """Stop the control plane; apps and proxy go on serving."""
    from libs.supervisor.down import down as run  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    with say.plainly():
        run(find_home(), click.echo, everything=everything)


@click.command()
def status() -> None:
    """Show every component and process. Exit status 0 when all is well."""
    from libs.cli.machine.status import status as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        sys.exit(run())


@click.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@click.pass_context
def test(context: click.Context) -> None:
    """Run what CI runs: ruff, mypy and every test. Further arguments go to pytest."""
    from libs.cli.machine.test import test as run  # noqa: PLC0415 - verbs import late

    sys.exit(run(context.args))


@click.command()
@click.option("--adopt", is_flag=True, help="What runs wins: the database is made as it is.")
@click.option("--enforce", is_flag=True, help="The database wins: what runs is made as it says.")
def recover(*, adopt: bool, enforce: bool) -> None:
    """Show how a database that was put back differs from what runs, or say which of the two wins."""
    from libs.cli.machine.recover import recover as run  # noqa: PLC0415 - verbs import late

    if adopt and enforce:
        raise click.UsageError("only one of --adopt and --enforce can win")
    with say.plainly():
        sys.exit(run("adopt" if adopt else "enforce" if enforce else None))


@click.group(no_args_is_help=True)
def secrets() -> None:
    """The key that stored secrets are encrypted with."""


@secrets.command()
@click.option("--drop-old", is_flag=True, help="Forget the old keys, once nothing that is stored needs them.")
def rotate(*, drop_old: bool) -> None:
    """Make a new secret key and put everything that is stored under it. Run it again when it was broken off."""
    from libs.cli.machine import rotate as key  # noqa: PLC0415 - verbs import late

    with say.plainly():
        sys.exit(key.drop() if drop_old else key.rotate())


@click.command()
@click.argument("target", type=_FILE, required=False)
@click.option("--images/--no-images", default=True, help="Take the images of what is deployed along: uploads are nowhere else.")
def backup(*, target: Path | None, images: bool) -> None:
    """Write database, keys, settings, certificates, logs and images into one encrypted file, while Dockup runs.

    Without TARGET it goes into the state folder's backups/.
    """
    from libs.supervisor.backup.make import backup as run  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    with say.plainly():
        run(find_home(), target, click.echo, with_images=images)


@click.command()
@click.argument("source", type=_FILE)
@click.option("--key-file", type=_FILE, help="The file with the backups' key; else DOCKUP_BACKUP_KEY.")
@click.option("--replace", is_flag=True, help="Move the state that is there aside.")
def restore(*, source: Path, key_file: Path | None, replace: bool) -> None:
    """Make the state folder from a file that `dockup backup` wrote; Dockup must be down."""
    from libs.supervisor.backup.restore import restore as run  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    with say.plainly():
        run(find_home(), source, key_file, click.echo, replace=replace)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for a program.")
@click.option("--remove-strays", is_flag=True, help="Remove containers of apps that were deleted.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def doctor(*, as_json: bool, remove_strays: bool, yes: bool) -> None:
    """Look at everything that Dockup stands on, and say what to do. Exit status 0 without a problem."""
    from libs.cli.machine.doctor import doctor as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        sys.exit(run(as_json=as_json, remove_strays=remove_strays, yes=yes))


@click.command()
@click.option("--to", metavar="REVISION", help="A commit, tag or branch; else the newest of the branch.")
@click.option("--undo", "back", is_flag=True, help="Go back to what the last upgrade came from.")
@click.option("--backup/--no-backup", default=True, help="Make a backup first; this takes a Dockup that runs.")
def upgrade(*, to: str | None, back: bool, backup: bool) -> None:
    """Bring this git checkout and the database to a newer version while apps serve on; back again when it does not come up."""
    from libs.supervisor import upgrade as way  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    if back and to:
        raise click.UsageError("--undo goes back to one place alone; leave --to out")
    with say.plainly():
        if back:
            way.undo(find_home(), click.echo)
        else:
            way.upgrade(find_home(), click.echo, to=to, with_backup=backup)


@click.command(hidden=True)
@click.option("--to", metavar="REVISION", help="A revision.")
@click.option("--newest", is_flag=True, help="What this version knows.")
def schema(*, to: str | None, newest: bool) -> None:
    """Migrate the database up or down; a step of `dockup upgrade`. Prints the revision that it has then."""
    from libs.supervisor import schema as way  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    revision = to or (way.newest() if newest else None)
    if revision is None:
        raise click.UsageError("say which: --to REVISION or --newest")
    with say.plainly():
        way.bring(find_home(), revision)
        click.echo(revision)


@click.command()
def install() -> None:
    """Make a reboot bring Dockup back."""
    from libs.cli.machine.install import install as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        sys.exit(run())


@click.command()
def version() -> None:
    """Show the version."""
    from libs.common.version import VERSION  # noqa: PLC0415 - verbs import late

    click.echo(VERSION)
