"""What the machine must have, and how it comes: by apt-get as root, for everybody else `ordinary` says the command."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from libs.supervisor.children import redis_server
from libs.supervisor.problem import Problem

_POLICY = Path("/usr/sbin/policy-rc.d")
_ENGINE_SETTINGS = Path("/etc/docker/daemon.json")
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_APT_SECONDS = 900


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """`package` is the name in Debian and Ubuntu; `why` says what it does here.

    `along`: packages that come with it where the distribution has them; where it has none of that name, the package itself holds it.
    """

    name: str
    package: str
    why: str
    along: tuple[str, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """What apt-get is told: an exact-name pattern that matches nothing asks for nothing."""
        return (self.package, *(f"?exact-name({name})" for name in self.along))


PROXY = Requirement(name="haproxy", package="haproxy", why="takes the apps' traffic")
GIT = Requirement(name="git", package="git", why="fetches sources")
CACHE = Requirement(name="redis-server", package="redis-server", why="keeps the latest samples")
# Debian 13 has the command line apart, it and Ubuntu 24.04 the part that builds.
ENGINE = Requirement(name="dockerd", package="docker.io", why="runs the apps", along=("docker-cli", "docker-buildx"))


def missing(*, engine: bool, cache: bool) -> list[Requirement]:
    """What is not there. `engine`: an engine has to be started here; `cache`: no Redis of the user's own."""
    wanted = [PROXY, GIT, *([ENGINE] if engine else [])]
    found = [each for each in wanted if not available(each.name)]
    if cache and (redis_server() is None or (os.geteuid() == 0 and not available(CACHE.name))):
        found.append(CACHE)
    return found


def available(name: str) -> bool:
    """Look in the folders for root's programs too: a user's PATH on Debian lacks them."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SBIN}") is not None


def widen_path() -> None:
    """Let our own processes find what lies in the sbin folders."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:{_SBIN}"


def install(found: list[Requirement], say: Callable[[str], None]) -> None:
    """Bring them with apt-get, as root; `Problem` where there is none or it fails."""
    packages = [each.package for each in found]
    if shutil.which("apt-get") is None:
        raise Problem(f"missing on this machine, which has no apt-get: install {', '.join(packages)} (the names in Debian)")
    say(f"installing {', '.join(packages)} from the distribution")
    if ENGINE in found:
        settle_engine(_ENGINE_SETTINGS)
    with _nothing_starts_by_itself():
        _apt("update")
        told = [name for each in found for name in each.packages]
        _apt("install", "-y", "--no-install-recommends", *told, *_companions(found))
    if Path("/run/systemd/system").is_dir():
        # We run these two ourselves; the distribution's own instances would only take ports and memory.
        idle = [each.package for each in found if each in {PROXY, CACHE}]
        if idle:
            subprocess.run(["systemctl", "disable", "--now", *idle], check=False, capture_output=True)


def settle_engine(path: Path) -> None:
    """A new engine keeps its images as all before it did; what somebody has written there already stays."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"features": {"containerd-snapshotter": false}}\n', encoding="ascii")


def _companions(found: list[Requirement]) -> list[str]:
    """What comes along when something is installed: the engine's firewall, and curl, which the commands at the end of `up` use."""
    return [*(["iptables"] if ENGINE in found else []), *([] if available("curl") else ["curl"])]


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-q", *arguments]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_APT_SECONDS
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise Problem(f"{' '.join(command)} failed:\n{last}")


@contextlib.contextmanager
def _nothing_starts_by_itself() -> Iterator[None]:
    """Debian starts a package's service as it installs it; this is its own way of asking it not to."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
