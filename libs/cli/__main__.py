"""The `dockup` command. Each verb imports what it needs when it runs, so that every one of them starts fast."""

from pathlib import Path
from typing import Annotated

import typer

from libs.cli import say

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="A self-hosted container PaaS.")

secrets = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The key that stored secrets are encrypted with.")
app.add_typer(secrets, name="secrets")


@app.command()
def up(
    *, detach: Annotated[bool, typer.Option("--detach", "-d", help="Start it in the background and return when it is ready.")] = False
) -> None:
    """Start Dockup; install what is missing (as root), start a Docker Engine if none answers."""
    from libs.supervisor.up import up as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        raise typer.Exit(run(detach=detach))


@app.command()
def down(*, everything: Annotated[bool, typer.Option("--all", help="Stop the proxy and the apps too.")] = False) -> None:
    """Stop the control plane; apps and proxy go on serving."""
    from libs.supervisor.down import down as run  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    with say.plainly():
        run(find_home(), typer.echo, everything=everything)


@app.command()
def status() -> None:
    """Show every component and process. Exit status 0 when all is well."""
    from libs.cli.status import status as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        raise typer.Exit(run())


@app.command()
def logs(
    service: Annotated[
        str | None, typer.Argument(help="api, builder, runtime, metrics, router, nats, redis, supervisor or dockerd; all when left out.")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many lines of the past.")] = 100,
) -> None:
    """Show what the services wrote."""
    from libs.cli.logs import logs as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        raise typer.Exit(run(service, lines=lines, follow=follow))


@app.command()
def eject(
    slug: Annotated[str, typer.Argument(help="The app, by slug or id.")],
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it there; else it is printed.")] = None,
) -> None:
    """Show the Dockerfile that was written for an app whose source has none."""
    from libs.cli.eject import eject as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        run(slug, output)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run what CI runs: ruff, mypy and every test. Further arguments go to pytest."""
    from libs.cli.test import test as run  # noqa: PLC0415 - verbs import late

    raise typer.Exit(run(context.args))


@app.command()
def recover(
    *,
    adopt: Annotated[bool, typer.Option("--adopt", help="What runs wins: the database is made as it is.")] = False,
    enforce: Annotated[bool, typer.Option("--enforce", help="The database wins: what runs is made as it says.")] = False,
) -> None:
    """Show how a database that was put back differs from what runs, or say which of the two wins."""
    from libs.cli.recover import recover as run  # noqa: PLC0415 - verbs import late

    if adopt and enforce:
        raise typer.BadParameter("only one of --adopt and --enforce can win")
    with say.plainly():
        raise typer.Exit(run("adopt" if adopt else "enforce" if enforce else None))


@secrets.command()
def rotate(
    *, drop_old: Annotated[bool, typer.Option("--drop-old", help="Forget the old keys, once nothing that is stored needs them.")] = False
) -> None:
    """Make a new secret key and put everything that is stored under it. Run it again when it was broken off."""
    from libs.cli import rotate as key  # noqa: PLC0415 - verbs import late

    with say.plainly():
        raise typer.Exit(key.drop() if drop_old else key.rotate())


@app.command()
def backup(
    target: Annotated[Path | None, typer.Argument(help="The file; without one it goes into the state folder's backups/.")] = None,
    *,
    images: Annotated[bool, typer.Option(help="Take the images of what is deployed along: uploads are nowhere else.")] = True,
) -> None:
    """Write database, keys, settings, certificates, logs and images into one encrypted file, while Dockup runs."""
    from libs.supervisor.backup.make import backup as run  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    with say.plainly():
        run(find_home(), target, typer.echo, with_images=images)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `dockup backup` wrote.")],
    *,
    key_file: Annotated[Path | None, typer.Option(help="The file with the backups' key; else DOCKUP_BACKUP_KEY.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Move the state that is there aside.")] = False,
) -> None:
    """Make the state folder from a backup; Dockup must be down."""
    from libs.supervisor.backup.restore import restore as run  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    with say.plainly():
        run(find_home(), source, key_file, typer.echo, replace=replace)


@app.command()
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a program.")] = False,
    remove_strays: Annotated[bool, typer.Option("--remove-strays", help="Remove containers of apps that were deleted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Look at everything that Dockup stands on, and say what to do. Exit status 0 without a problem."""
    from libs.cli.doctor import doctor as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        raise typer.Exit(run(as_json=as_json, remove_strays=remove_strays, yes=yes))


@app.command()
def upgrade(
    *,
    to: Annotated[str | None, typer.Option("--to", help="A commit, tag or branch; else the newest of the branch.")] = None,
    back: Annotated[bool, typer.Option("--undo", help="Go back to what the last upgrade came from.")] = False,
    backup: Annotated[bool, typer.Option(help="Make a backup first; this takes a Dockup that runs.")] = True,
) -> None:
    """Bring this git checkout and the database to a newer version while apps serve on; back again when it does not come up."""
    from libs.supervisor import upgrade as way  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    if back and to:
        raise typer.BadParameter("--undo goes back to one place alone; leave --to out")
    with say.plainly():
        if back:
            way.undo(find_home(), typer.echo)
        else:
            way.upgrade(find_home(), typer.echo, to=to, with_backup=backup)


@app.command(hidden=True)
def schema(
    *,
    to: Annotated[str | None, typer.Option("--to", help="A revision.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="What this version knows.")] = False,
) -> None:
    """Migrate the database up or down; a step of `dockup upgrade`. Prints the revision that it has then."""
    from libs.supervisor import schema as way  # noqa: PLC0415 - verbs import late
    from libs.supervisor.settings import find_home  # noqa: PLC0415 - verbs import late

    revision = to or (way.newest() if newest else None)
    if revision is None:
        raise typer.BadParameter("say which: --to REVISION or --newest")
    with say.plainly():
        way.bring(find_home(), revision)
        typer.echo(revision)


@app.command()
def install() -> None:
    """Make a reboot bring Dockup back."""
    from libs.cli.install import install as run  # noqa: PLC0415 - verbs import late

    with say.plainly():
        raise typer.Exit(run())


@app.command()
def version() -> None:
    """Show the version."""
    from libs.common.service import VERSION  # noqa: PLC0415 - verbs import late

    typer.echo(VERSION)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
