"""`dockup upgrade` of a git checkout whose newer commits bring a migration and a start that fails after it."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.supervisor import schema
from libs.supervisor.home import Home
from services.api.db.migrate import HEAD
from tests import images
from tests.stack import Stack
from tests.stack.dockup import ROOT

pytestmark = pytest.mark.long
_COPIED = ("dockup", "libs", "services", "uv.lock", "pyproject.toml", ".gitignore", ".python-version", "README.md")
_MIGRATION = """import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apps", sa.Column("later", sa.String(10), server_default="x", nullable=False))


def downgrade() -> None:
    op.drop_column("apps", "later")
"""


class Place:
    """`origin` is where new versions come from, `here` the checkout that runs."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.stack = stack
        self.origin, self.here = folder / "origin", folder / "here"
        for name in _COPIED:
            copy: Any = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            self.origin.mkdir(exist_ok=True)
            copy(ROOT / name, self.origin / name)
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit("first")
        subprocess.run(["git", "clone", "--quiet", str(self.origin), str(self.here)], check=True)
        self._lend_environment()

    def _lend_environment(self) -> None:
        """The packages of the environment that runs the tests, with this checkout's own code in front."""
        venv = self.here / ".venv"
        venv.mkdir()
        for entry in (ROOT / ".venv").iterdir():
            if not entry.name.startswith(".dockup"):
                (venv / entry.name).symlink_to(entry)
        made = (
            subprocess.run(["cksum"], input=(self.here / "uv.lock").read_bytes(), capture_output=True, check=True).stdout.decode().strip()
        )
        (venv / ".dockup-stamp").write_text(f"{made} {(venv / 'bin' / 'python').resolve()} run", encoding="ascii")
        self.environ = {**self.stack.environ, "PYTHONPATH": str(self.here)}

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.origin), "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, words: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", words)
        return self.git("rev-parse", "HEAD")

    def release(self, *, setting: str = "") -> str:
        """A newer version with a migration; `setting` is one that its router asks for."""
        db = self.origin / "services" / "api" / "db"
        (db / "migrations" / "versions" / "9001_later.py").write_text(_MIGRATION.format(head=HEAD), encoding="utf-8")
        migrate = db / "migrate.py"
        migrate.write_text(migrate.read_text().replace(f'HEAD = "{HEAD}"', 'HEAD = "9001"'), encoding="utf-8")
        settings = self.origin / "services" / "router" / "settings.py"
        settings.write_text((ROOT / "services" / "router" / "settings.py").read_text() + setting, encoding="utf-8")
        return self.commit("newer")

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(self.here / "dockup"), *arguments]
        return subprocess.run(command, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False)

    def must(self, *arguments: str) -> str:
        done = self.cli(*arguments)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.stack.last_words()}"
        return done.stdout

    def stands_at(self, commit: str, revision: str) -> None:
        """The files, the database, and all is well."""
        head = subprocess.run(["git", "-C", str(self.here), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        assert head.stdout.strip() == commit
        assert schema.found(Home(self.stack.home.root)) == revision
        assert (self.stack.status() or {})["status"] == "ok"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    stack = Stack()
    try:
        place = Place(tmp_path, stack)
        stack.choose_nats_port()
        place.must("up", "--detach")
        yield place
    finally:
        stack.destroy()


async def deploy(stack: Stack) -> str:
    async with stack.direct_client() as client:
        body = {"create": True, "project": "Tests", "name": "up", "image": images.web(), "internal_port": 8080}
        answer = await client.post("/deploy/up", params={"wait": 60}, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["app_id"])


async def serves(stack: Stack) -> bool:
    async with stack.app_client("up") as client:
        return (await client.get("/")).status_code == 200


def test_there_and_back(place: Place) -> None:
    stack = place.stack
    app_id = asyncio.run(deploy(stack))
    before = stack.leftovers().containers(app_id)
    assert "nothing to do" in place.must("upgrade")

    demanding = place.release(setting="    missing_in_action: str\n")
    failed = place.cli("upgrade", "--no-backup")
    assert failed.returncode == 1
    assert "the upgrade failed: starting: " in failed.stderr
    assert "DOCKUP_MISSING_IN_ACTION: is not set" in failed.stderr
    place.stands_at(place.first, HEAD)

    good = place.release()
    assert demanding != good
    said = place.must("upgrade")
    assert f"upgraded to {good[:12]}, schema 9001" in said
    assert list(stack.home.backups.glob("*.age"))
    place.stands_at(good, "9001")

    assert "schema 9001, and this Dockup knows none after" in refused_by_the_old(stack)
    assert f"back at {place.first[:12]}" in place.must("upgrade", "--undo")
    place.stands_at(place.first, HEAD)
    assert place.cli("upgrade", "--undo").stderr == "dockup: there is no upgrade to undo\n"

    assert [each["Id"] for each in stack.leftovers().containers(app_id)] == [each["Id"] for each in before]
    assert asyncio.run(serves(stack))

    (place.here / "README.md").write_text("changed", encoding="utf-8")
    done = place.cli("upgrade")
    assert done.returncode == 1
    assert "README.md" in done.stderr


def refused_by_the_old(stack: Stack) -> str:
    """What the version of these tests says of the newer database. It leaves Dockup down."""
    stack.down()
    done = subprocess.run(stack.command("up", "--detach"), env=stack.environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert asyncio.run(serves(stack)), "apps serve on while the control plane is down"
    return done.stderr


def test_no_checkout(tmp_path: Path) -> None:
    """A folder without git says so."""
    stack = Stack()
    try:
        place = Place(tmp_path, stack)
        shutil.rmtree(place.here / ".git")
        assert "is no git checkout" in place.cli("upgrade").stderr
    finally:
        stack.destroy()
