"""Calls of git, each hardened: no configuration, hooks, prompts or redirects but ours, and an address that was checked beforehand."""

import os
import re
from pathlib import Path

from libs.common.egress import Route
from services.builder import processes
from services.builder.failed import Failed, because
from services.builder.processes import Ended
from services.builder.source.locate import Located

_ASKPASS = """#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$DOCKUP_GIT_USERNAME" ;;
*) printf '%s\\n' "$DOCKUP_GIT_PASSWORD" ;;
esac
"""
_OLDEST = (2, 37)
_PASSED = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_FIXED = {
    "LC_ALL": "C.UTF-8",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "protocol.version=2",
    "http.followRedirects=false",
    # Nothing arrives for so long: the host trickles.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "transfer.bundleURI=false",
    # A pack is kept as one file, whose size can be watched.
    "fetch.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "core.bigFileThreshold=32m",
    "advice.detachedHead=false",
)
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"Authentication failed|could not read (Username|Password)|returned error: 40[13]|HTTP 40[13]",
        "git_auth_failed",
        "refused the login",
    ),
    (
        r"returned error: 404|repository .* not found|not valid: is this a git repository|does not appear to be a git",
        "repository_not_found",
        "has no such repository",
    ),
    (r"couldn't find remote ref|not our ref|unadvertised object|no such remote ref", "ref_not_found", "has no such branch, tag or commit"),
    (r"No space left on device|unable to write|Disk quota exceeded", "disk_full", "could not be fetched: the disk is full"),
    (r"Operation too slow|Timeout was reached|timed out", "timeout", "sends too slowly"),
    (
        r"Could not resolve|Failed to connect|Connection refused|Couldn't connect|SSL|Empty reply|recv fail",
        "git_unreachable",
        "did not answer",
    ),
)


class Git:
    """git for one repository in `folder`, by the route that was checked. Nothing of the login is in its arguments or on the disk."""

    def __init__(self, folder: Path, located: Located, *, most_bytes: int) -> None:
        self.folder = folder
        self.url = located.address.url
        self._most_bytes = most_bytes
        self._askpass = folder.with_name("askpass")
        self._env = {**_environment(folder), "GIT_ALLOW_PROTOCOL": located.address.scheme, "GIT_ASKPASS": "/bin/true"}
        if located.login:
            self._askpass.write_text(_ASKPASS, encoding="ascii")
            self._askpass.chmod(0o700)
            self._env |= {
                "GIT_ASKPASS": str(self._askpass),
                "DOCKUP_GIT_USERNAME": located.login.username,
                "DOCKUP_GIT_PASSWORD": located.login.password,
            }
        self._options = [f"http.curloptResolve={pinned(located.route)}", *_OPTIONS]

    def command(self, *words: str) -> list[str]:
        options = [word for option in self._options for word in ("-c", option)]
        return ["git", *options, f"--git-dir={self.folder}", *words]

    @property
    def env(self) -> dict[str, str]:
        """The environment of a call that reaches the host."""
        return self._env

    @property
    def offline(self) -> dict[str, str]:
        """The environment of a call that reads what is here: no login, and no host may be asked."""
        return {**_environment(self.folder), "GIT_ALLOW_PROTOCOL": "none", "GIT_ASKPASS": "/bin/true"}

    async def remote(self, *words: str) -> Ended:
        return await processes.run(self.command(*words), env=self._env, cwd=self.folder.parent, file_bytes=self._most_bytes)

    async def local(self, *words: str) -> Ended:
        """As `remote`, for what needs no host; `Failed` when it does not work."""
        ended = await processes.run(self.command(*words), env=self.offline, cwd=self.folder.parent, file_bytes=self._most_bytes)
        if ended.code:
            raise meaning(ended, self.url)
        return ended


async def require() -> None:
    """`Failed` where git is not there, or too old to be given an address: it would look the host up again, and anew."""
    try:
        ended = await processes.run(["git", "--version"], env=_environment(Path("/git")), cwd=Path("/"))
    except OSError as error:
        raise because("builder_missing", "git is not on the PATH of the builder.") from error
    found = re.search(r"(\d+)\.(\d+)", ended.out.decode(errors="replace"))
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise because("builder_missing", "git is older than 2.37, and cannot be held to an address that was checked.")


def _environment(folder: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**passed, **_FIXED, "HOME": str(folder.parent)}


def pinned(route: Route) -> str:
    """The route as curl's CURLOPT_RESOLVE takes it."""
    addresses = ",".join(f"[{address}]" if ":" in address else address for address in route.addresses)
    return f"{route.host}:{route.port}:{addresses}"


def meaning(ended: Ended, url: str) -> Failed:
    """What it means that git ended so, in a code of the catalogue."""
    lines = tuple(line for line in ended.err.splitlines() if line.strip() and not line.startswith("hint:"))
    for pattern, code, text in _MEANINGS:
        if re.search(pattern, ended.err, re.IGNORECASE):
            return because(code, f"{url} {text}.", evidence=lines)
    return because("clone_failed", f"{url} could not be fetched: git ended with {ended.code}.", evidence=lines)
