"""Copies of databases that are consistent while others write: SQLite by its own backup, PostgreSQL by `pg_dump`."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from libs.supervisor.problem import Problem

_OF_SQLALCHEMY = {"async_fallback", "prepared_statement_cache_size"}
_PAGES = 2_000
"""SQLite copies so many pages at a time, and others may write in between."""


def copy_sqlite(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as here, closing(sqlite3.connect(target)) as there:
            here.backup(there, pages=_PAGES)
    except sqlite3.Error as error:
        raise Problem(f"{source} cannot be copied: {error}") from error


def check_sqlite(path: Path) -> str:
    """The schema's version, of a file that is whole; `Problem` otherwise."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (verdict,) = database.execute("PRAGMA quick_check").fetchone()
            (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise Problem(f"{path.name} is not a database of Dockup's: {error}") from error
    if verdict != "ok":
        raise Problem(f"{path.name} is damaged: {verdict}")
    return str(version)


def dump_postgres(url: str, target: Path) -> None:
    _run("pg_dump", url, "--format=custom", "--no-owner", f"--file={target}")


def load_postgres(url: str, source: Path) -> None:
    _run("pg_restore", url, "--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error", str(source))


def plain_url(url: str) -> str:
    """A `DOCKUP_DATABASE_URL` as PostgreSQL's own programs take it: SQLAlchemy's driver says `ssl` for their `sslmode`."""
    parts = urlsplit(url)
    query = [("sslmode" if name == "ssl" else name, text) for name, text in parse_qsl(parts.query) if name not in _OF_SQLALCHEMY]
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query), ""))


def _run(program: str, url: str, *arguments: str) -> None:
    """The password goes by the environment: a process list shows arguments."""
    if shutil.which(program) is None:
        raise Problem(f"{program} is missing: it copies the PostgreSQL database. Run this first: sudo apt-get install -y postgresql-client")
    parts = urlsplit(plain_url(url))
    plain = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")))
    done = subprocess.run(
        [program, f"--dbname={plain}", *arguments],
        env={**os.environ, "PGPASSWORD": unquote(parts.password or "")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Problem(f"{program} failed: {done.stderr.strip()}")
