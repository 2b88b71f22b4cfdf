"""What a repository's address, a ref, a commit and a path within a repository may look like. Pure."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from libs.common.address import PORTS, Address
from services.builder.failed import because

_PATH = re.compile(r"/[A-Za-z0-9._~%+@!$&'()*,;=:/-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|\.$|/$|^/|^-|^@$")
_PATH_REFUSED = re.compile(r"[\x00-\x1f\x7f\\]")
_MOST_URL, _MOST_REF, _MOST_PATH = 2_000, 250, 1_000


def address(url: str) -> Address:
    """Read an address of a repository; `Failed` with `source_invalid` for one that no git host has.

    No login, query or fragment may stand in it; `.` and `..` would be another path for git than for the host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise because("source_invalid", f"The repository's address cannot be read: {error}.") from error
    if parts.scheme not in PORTS:
        raise because("source_invalid", f"{parts.scheme or 'no scheme'}: a repository is fetched over https alone.")
    if parts.username is not None or parts.password is not None:
        raise because("source_invalid", "The repository's address holds a login.", hint="Connect the git host instead.")
    steps = set(parts.path.split("/"))
    if (
        not parts.hostname
        or len(url) > _MOST_URL
        or parts.query
        or parts.fragment
        or not _PATH.fullmatch(parts.path)
        or steps & {".", ".."}
    ):
        raise because("source_invalid", "The repository's address is none that git could fetch from.")
    return Address(scheme=parts.scheme, host=parts.hostname, port=port or PORTS[parts.scheme], path=parts.path.rstrip("/"))


def ref(name: str) -> str:
    """Check the name of a branch, a tag or a commit, as `git check-ref-format` does."""
    if not name or len(name) > _MOST_REF or _REF_REFUSED.search(name):
        raise because("ref_not_found", f"{name[:_MOST_REF]!r} is no name that a branch or a tag can have.")
    return name


def commit(sha: str) -> str:
    """Check a commit's full number."""
    if not is_commit(sha):
        raise because("ref_not_found", f"{sha[:_MOST_REF]!r} is not the full number of a commit.")
    return sha


def is_commit(text: str) -> bool:
    return _COMMIT.fullmatch(text) is not None


def path(text: str, code: str) -> str:
    """Check a path within a repository and return it without `.`; empty for its top. `Failed` with `code` for one that leads out."""
    found = PurePosixPath(text)
    if len(text) > _MOST_PATH or found.is_absolute() or ".." in found.parts or text.startswith("-") or _PATH_REFUSED.search(text):
        raise because(code, f"{text[:_MOST_PATH]!r} is no path within the repository.")
    return "" if found == PurePosixPath() else str(found)
