"""The command line, as a person and as a program use it: on a whole Dockup, each verb a process of its own."""

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import tarfile
import termios
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from libs.common import ids
from tests import images
from tests.e2e.conftest import Desk, Json
from tests.stack import Stack, eventually
from tests.stack.dockup import PASSWORD, ROOT

SECONDS = 60.0


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs the `dockup` command; what it is given by `environ` is beside what the stack says."""

    def __init__(self, stack: Stack, **environ: str) -> None:
        self.stack = stack
        self.environ = {**stack.environ, **environ}

    async def __call__(self, *arguments: str, typed: bytes = b"") -> Done:
        done = await asyncio.to_thread(
            subprocess.run,
            self.stack.command(*arguments),
            input=typed,
            capture_output=True,
            env=self.environ,
            cwd=ROOT,
            timeout=SECONDS,
            check=False,
        )
        return Done(done.returncode, *(text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr)))

    async def well(self, *arguments: str, typed: bytes = b"") -> Done:
        done = await self(*arguments, typed=typed)
        assert done.status == 0, done
        return done


@pytest.fixture
def cli(stack: Stack) -> Cli:
    return Cli(stack)


@pytest.fixture
async def app(desk: Desk) -> Json:
    """It says a word each half second."""
    talk = "while :; do echo tick $VERSION; sleep 0.5; done & exec /web serve"
    return await desk.live(images.bare(), command=["sh", "-c", talk], env={"VERSION": "1"}, drain_seconds=1)


async def test_from_nothing_to_live_changed_and_gone(cli: Cli, desk: Desk, tmp_path: Path) -> None:
    slug = desk.slug()
    dotenv = tmp_path / ".env"
    dotenv.write_text('VERSION=1\nGREETING="two words"\n')
    made = await cli.well("deploy", slug, "--image", images.bare(), "--create", "--port", str(images.PORT), "--env-file", str(dotenv))
    assert re.search(rf"Live in .* s: https://{slug}-app\.localhost:\d+\n$", made.out), made
    assert (await desk.look(slug, "/version")).text == "1"
    assert slug in (await cli.well("apps")).out
    assert {"slug": slug, "status": "running"}.items() <= (await cli.well("app", slug, "--json")).json.items()
    assert (await cli.well("env", slug, "--reveal")).out == 'GREETING="two words"\nVERSION=1\n'
    assert "from the next deploy on" in (await cli.well("volumes", slug, "add", "data", "/data")).out
    await cli.well("env", slug, "set", "VERSION=2", "--deploy")
    assert (await desk.look(slug, "/version")).text == "2"
    await data_goes_and_comes(cli, slug, tmp_path)
    back = await cli.well("rollback", slug, "1", "--json")
    assert {"status": "live", "trigger": "rollback"}.items() <= back.json.items()
    assert (await desk.look(slug, "/version")).text == "1"
    assert "dockup deploy" in (await cli.well("env", slug, "unset", "GREETING")).out
    await cli.well("scale", slug, "web=2", "--memory", "64m")
    scaled = (await cli.well("scale", slug, "--json")).json
    assert (scaled["replicas"], scaled["memory_limit"]) == (2, 64)
    assert f"{slug} is paused" in (await cli.well("pause", slug)).out
    assert "dockup unpause" in (await cli.well("app", slug)).out
    assert f"{slug} is " in (await cli.well("unpause", slug)).out
    events = (await cli.well("events", slug, "--json", "-n", "500")).out.splitlines()
    assert "deployment.live" in [json.loads(line)["type"] for line in events]
    assert f"{slug} is gone" in (await cli.well("delete", slug, "--yes")).out


async def data_goes_and_comes(cli: Cli, slug: str, folder: Path) -> None:
    """Out of a volume, into a backup, and back; then the app lets go of it."""
    await cli.well("exec", slug, "--", "sh", "-c", "echo kept >/data/file")
    assert "was not backed up yet" in (await cli.well("volumes", slug, "backups", "data")).out
    assert (await cli.well("volumes", slug, "backup", "data")).out == "data is backed up.\n"
    assert "seconds ago" in (await cli.well("volumes", slug, "backups", "data")).out
    archive = folder / "data.tar"
    await cli.well("volumes", slug, "download", "data", str(archive))
    with tarfile.open(archive) as inside:
        found = inside.extractfile(next(each for each in inside if each.name.endswith("file")))
        assert found
        assert found.read() == b"kept\n"
    await cli.well("exec", slug, "--", "sh", "-c", ">/data/file")
    await cli.well("volumes", slug, "restore", "data", "-", typed=archive.read_bytes())
    assert (await cli.well("exec", slug, "--", "cat", "/data/file")).out == "kept\n"
    assert re.search(r"^data +/data +attached ", (await cli.well("volumes", slug)).out, re.MULTILINE)
    mounted = await cli("volumes", slug, "remove", "data", "--purge", "--yes")
    assert (mounted.status, "volume_in_use" in mounted.err) == (3, True), mounted
    assert "its data is kept" in (await cli.well("volumes", slug, "remove", "data")).out
    listed = (await cli.well("volumes", slug, "--json")).json["items"]
    assert [(each["name"], each["state"]) for each in listed] == [("data", "detached")]


async def test_a_failed_deployment_is_told(cli: Cli, desk: Desk) -> None:
    slug = (await desk.live())["slug"]
    failed = await cli("deploy", slug, "--image", images.exits())
    assert failed.status == 1
    assert "failed: It exited with code 3 before it was live (container_exited)" in failed.err, failed
    assert "DATABASE_URL is not set" in failed.out + failed.err
    problem = json.loads((await cli("deploy", slug, "--json")).err)
    assert (problem["code"], problem["deployment"]["failure"]["code"]) == ("deployment_failed", "container_exited")
    seen = (await cli.well("app", slug)).out
    assert f"{slug} is running" in seen
    assert "failed: It exited with code 3" in seen
    assert "Next: mend it, then: dockup deploy" in seen


async def test_domains_come_and_go(cli: Cli, desk: Desk) -> None:
    """One that does not lead here is shown with what to do."""
    slug, host = (await desk.app())["slug"], f"{ids.new('shop')[-12:]}.example.com"
    assert "has no domain of its own" in (await cli.well("domains", slug)).out
    added = (await cli.well("domains", slug, "add", host)).out
    assert f"{host} is pending\n" in added
    assert f"_dockup.{host}  TXT  dockup-verify=" in added
    assert (await cli.well("domains", slug, "check", host, "--json")).json["status"] == "pending"
    assert re.search(rf"^{host} +pending +none ", (await cli.well("domains", slug)).out, re.MULTILINE)
    assert (await cli.well("domains", slug, "remove", host)).out == f"{host} does not lead to {slug} any more.\n"
    again = await cli("domains", slug, "remove", host, "--json")
    assert (again.status, json.loads(again.err)["code"]) == (3, "not_found")
    assert (await cli.well("domains", slug, "--json")).json["items"] == []


async def test_an_image_of_this_machine(cli: Cli, app: Json, desk: Desk) -> None:
    saved = images.client().get_image(images.web())
    archive = b"".join(saved)
    done = await cli.well("deploy", app["slug"], "-", "--json", typed=archive)
    assert {"status": "live", "source": "upload"}.items() <= done.json.items()
    assert (await desk.look(app["slug"], "/version")).text == "1"


async def test_commands_pass_their_end_on(cli: Cli, app: Json) -> None:
    slug = app["slug"]
    run = await cli("run", slug, "--", "sh", "-c", "echo out $VERSION; echo err >&2; exit 7")
    assert run == Done(7, "out 1\n", "err\n")
    assert (await cli.well("run", slug, "--", "true")).out == ""
    late = await cli("run", slug, "--timeout", "1", "--", "sleep", "60")
    assert late.status == 1
    assert "timed out" in late.err
    program = await cli("exec", slug, "--", "sh", "-c", "cat; echo 'an $error' >&2; exit 5", typed=b"typed \xff\x00")
    assert program == Done(5, "typed \udcff\0", "an $error\n")
    assert await cli.well("exec", slug, "--", "echo", "a  b", "$VERSION") == Done(0, "a  b $VERSION\n", "")


class Screen:
    """A terminal with a verb in it, of 45 lines and 123 columns."""

    def __init__(self, process: "subprocess.Popen[bytes]", controller: int) -> None:
        self.process = process
        self.controller = controller
        self.shown = ""

    def size(self, lines: int, columns: int) -> None:
        termios.tcsetwinsize(self.controller, (lines, columns))

    def type(self, text: str) -> None:
        os.write(self.controller, text.encode())

    def until(self, text: str) -> None:
        """Read until it is shown."""
        end = time.monotonic() + SECONDS
        while text not in self.shown:
            assert self._read(end), self.shown

    def ended(self) -> int:
        """Read to the end; the exit status."""
        end = time.monotonic() + SECONDS
        while self._read(end):
            pass
        return self.process.wait(SECONDS)

    def _read(self, end: float) -> bool:
        """False at the end of all, of the program or of the time."""
        ready, _, _ = select.select([self.controller], [], [], max(0.0, end - time.monotonic()))
        try:
            piece = os.read(self.controller, 65_536) if ready else b""
        except OSError:
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)


@contextlib.contextmanager
def screen(cli: Cli, *arguments: str) -> Iterator[Screen]:
    """What still runs at the end of the block is killed."""
    controller, terminal = os.openpty()
    termios.tcsetwinsize(controller, (45, 123))
    command = ["setsid", "--ctty", *cli.stack.command(*arguments)]
    environ = {**cli.environ, "TERM": "xterm"}
    with subprocess.Popen(command, env=environ, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        try:
            yield Screen(process, controller)
        finally:
            process.kill()
            os.close(controller)


def a_shell(cli: Cli, slug: str) -> None:
    with screen(cli, "exec", slug) as shell:
        shell.type("echo $((40+2)); stty size\n")
        shell.until("45 123")
        shell.size(24, 80)
        shell.type("until [ \"$(stty size)\" = '24 80' ]; do sleep 0.1; done; echo now $((20+4))\n")
        shell.until("now 24")
        shell.type("echo asleep $((5+4)); sleep 60\n")
        shell.until("asleep 9")
        shell.type("\x03")
        shell.type("echo still $((10+3))\n")
        shell.until("still 13")
        shell.type("exit 7\n")
        assert shell.ended() == 7, shell.shown


async def test_a_shell_has_this_terminal(cli: Cli, app: Json) -> None:
    """Its size, also when that changes; Ctrl-C goes to what runs there; the exit code comes back."""
    await asyncio.to_thread(a_shell, cli, app["slug"])


@pytest.fixture
async def guest(stack: Stack, tmp_path: Path) -> AsyncIterator[Cli]:
    """Somebody on another machine: nothing of the stack's folder is known there."""
    environ = {name: text for name, text in stack.environ.items() if not name.startswith("DOCKUP_")}
    guest = Cli(stack, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path / "config"), XDG_DATA_HOME=str(tmp_path / "data"))
    guest.environ = {**environ, **{name: guest.environ[name] for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}}
    yield guest
    await guest("logout")


async def test_from_another_machine(cli: Cli, guest: Cli, app: Json, desk: Desk) -> None:
    """Over the proxy, with its certificate verified; the key that a login makes goes with the logout."""
    del cli
    stack, slug = guest.stack, app["slug"]
    keys = len((await desk.call("GET", "/api-keys", params={"limit": 200}))["items"])
    guest.environ["DOCKUP_PASSWORD"] = PASSWORD
    email = ("--email", "admin@example.com")
    if os.geteuid() != 0:
        assert (await guest("apps")).status == 4
    mistrusted = await guest("login", stack.url, *email)
    assert mistrusted.status == 4
    assert "not trusted" in mistrusted.err
    assert "dockup login URL --ca FILE" in mistrusted.err
    await guest.well("login", stack.url, *email, "--ca", str(stack.home.root_certificate))
    assert len((await desk.call("GET", "/api-keys", params={"limit": 200}))["items"]) == keys + 1
    assert slug in (await guest.well("apps")).out
    assert (await guest.well("exec", slug, "--", "echo", "over TLS")).out == "over TLS\n"
    await asyncio.to_thread(follows, guest, slug)
    await guest.well("logout")
    assert len((await desk.call("GET", "/api-keys", params={"limit": 200}))["items"]) == keys


def follows(cli: Cli, slug: str) -> None:
    """A log that is followed shows what is written after it was begun, and ends with Ctrl-C."""
    command = cli.stack.command("logs", slug, "--follow", "--json", "--tail", "1")
    with subprocess.Popen(command, env=cli.environ, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            lines = []
            for _ in range(3):
                assert select.select([process.stdout], [], [], SECONDS)[0], lines
                lines.append(json.loads(process.stdout.readline()))
            assert {line["message"] for line in lines} == {"tick 1"}
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130
        finally:
            process.kill()


REFUSALS: list[tuple[tuple[str, ...], int, str]] = [
    (("app", "nobody-has-this"), 3, "not_found"),
    (("deploy", "nobody-has-this"), 3, "not_found"),
    (("exec", "nobody-has-this"), 3, "not_found"),
    (("logs", "nobody-has-this"), 3, "not_found"),
    (("logs", "nobody-has-this", "-f"), 3, "not_found"),
    (("rollback", "SLUG"), 3, "nothing_to_roll_back_to"),
    (("rollback", "SLUG", "99"), 3, "not_found"),
    (("scale", "SLUG", "--memory", "1"), 3, "validation_failed"),
    (("env", "SLUG", "A-B=1"), 3, "validation_failed"),
    (("apps", "--token", "dkp_wrong"), 3, "unauthenticated"),
    (("volumes", "SLUG", "backups", "none"), 3, "not_found"),
    (("volumes", "SLUG", "forget", "none", "20260131T030000000000Z.tar.gz", "--yes"), 3, "not_found"),
    (("apps", "--api", "http://127.0.0.1:1", "--token", "dkp_x"), 4, "unreachable"),
]


async def test_refusals_have_their_exit_statuses(cli: Cli, app: Json) -> None:
    """A program gets problem+json; a person the title and what to do next."""

    async def refused(words: tuple[str, ...]) -> Done:
        given = [app["slug"] if word == "SLUG" else word for word in words]
        return await cli(*given, *(() if words[0] == "exec" else ("--json",)))

    for (words, status, code), done in zip(REFUSALS, [await refused(words) for words, _, _ in REFUSALS], strict=True):
        assert (done.status, done.out) == (status, ""), (words, done)
        assert code in done.err if words[0] == "exec" else json.loads(done.err)["code"] == code, (words, done)
    told = await cli("app", "nobody-has-this")
    assert told.err.startswith("dockup: There is nothing here: There is no app 'nobody-has-this' (not_found)\n  "), told


async def test_logs_of_services_and_of_apps(cli: Cli, app: Json, desk: Desk) -> None:
    """A service's name means the service; that an app is called so, too, is said."""
    assert "haproxy.started" in (await cli.well("logs", "router", "-n", "10000")).out
    assert "nats" in (await cli.well("logs", "-n", "3")).out
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \S+ web-r\S+ tick 1\n", (await cli.well("logs", app["slug"], "-n", "1", "--since", "1h")).out)
    await desk.call("POST", f"/projects/{await desk.project()}/apps", json={"name": "nats", "slug": "nats", "image": images.web()})
    service = await cli.well("logs", "nats", "-n", "1")
    assert "for the app of that name: dockup logs --app nats" in service.err
    assert (await cli.well("logs", "--app", "nats")).out == ""
    await cli.well("delete", "nats", "--yes")


@pytest.mark.long
async def test_an_api_that_is_started_again_is_waited_for(cli: Cli, app: Json, desk: Desk) -> None:
    """Killed while a verb shows a log, and while one holds its breath for an answer: each goes on."""
    slug = app["slug"]
    run = asyncio.create_task(cli("run", slug, "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done; exit 7"))
    await desk.event(slug, "run.started")
    held = asyncio.create_task(cli("deploy", slug, "--image", images.slow_start(), "--json"))

    async def under_way() -> bool:
        newest = (await desk.call("GET", f"/apps/{slug}/deployments"))["items"][0]
        return bool(newest["number"] > 1 and newest["status"] == "deploying")

    await eventually(under_way, what="the second deployment")
    desk.stack.wait_for_another("api", desk.stack.kill("api"))
    assert await run == Done(7, "1\n2\n3\n4\n5\n6\n7\n8\n", "")
    assert (await held).json["status"] == "live"
