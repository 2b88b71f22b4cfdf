"""What may be asked of the gate. Pure: a request is one of five, to the byte, or it is refused."""

import hmac
import re
from collections.abc import Iterable
from enum import Enum

import msgspec

Headers = Iterable[tuple[bytes, bytes]]

MEGABYTE = 1024 * 1024
_MODEL_KEPT = re.compile(
    rb"accept|content-type|content-encoding|user-agent|originator|version|openai-beta|(session|thread|conversation)[-_]id"
    rb"|x-client-request-id|x-codex-[a-z-]{1,40}"
)
_GIT_KEPT = re.compile(rb"accept|content-type|content-encoding|user-agent|git-protocol")
_BACK = re.compile(
    rb"content-type|content-encoding|retry-after|retry-after-ms|x-request-id|x-ratelimit-[a-z-]{1,40}|openai-(model|processing-ms|version)"
)
_UNREADABLE = "a body is told either its length or that it comes in chunks"


class Wanted(Enum):
    """Method, path behind the token, and what its body may weigh, in bytes."""

    MODEL = (b"POST", b"/model/responses", 64 * MEGABYTE)
    REFS_TO_FETCH = (b"GET", b"/git/info/refs?service=git-upload-pack", 0)
    REFS_TO_PUSH = (b"GET", b"/git/info/refs?service=git-receive-pack", 0)
    FETCH = (b"POST", b"/git/git-upload-pack", 8 * MEGABYTE)
    PUSH = (b"POST", b"/git/git-receive-pack", 512 * MEGABYTE)

    @property
    def most(self) -> int:
        return self.value[2]

    @property
    def path(self) -> bytes:
        """What comes after the address of the model's API, or of the repository."""
        return b"/" + self.value[1].split(b"/", 2)[2]

    @property
    def pushes(self) -> bool:
        return self in {Wanted.REFS_TO_PUSH, Wanted.PUSH}


class Refused(Exception):
    """The gate's own answer: a status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Of one session. `token` opens the gate; `branch` is where pushes may go, None where there is no repository."""

    token: str
    branch: str | None = None
    may_push: bool = False


def judge(rules: Rules, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> Wanted:
    """What is asked; `Refused` for everything that is not one of the five as it is written there. Names of headers are in lower case."""
    start = f"/{rules.token}".encode()
    if not hmac.compare_digest(target[: len(start)], start):
        raise Refused(404, "there is nothing here")
    wanted = next((each for each in Wanted if each.value[1] == target[len(start) :]), None)
    if wanted is None:
        raise Refused(403, "a session reaches the model's Responses API and the app's repository, and nothing else")
    if method != wanted.value[0]:
        raise Refused(405, f"this is asked by {wanted.value[0].decode()}")
    if wanted is not Wanted.MODEL and rules.branch is None:
        raise Refused(403, "the app has no repository")
    if wanted.pushes and not rules.may_push:
        raise Refused(403, "the app's repository was connected by somebody else: a session reads it, but pushes nothing in their name")
    _check_body(wanted, headers)
    return wanted


def kept(wanted: Wanted, headers: Headers) -> dict[str, str]:
    """The headers that go on to the other side: none that says who asks, and none about the connection. `Refused` for one given twice."""
    pattern = _MODEL_KEPT if wanted is Wanted.MODEL else _GIT_KEPT
    found: dict[str, str] = {}
    for name, value in headers:
        if not pattern.fullmatch(name) or (wanted.pushes and name == b"git-protocol"):
            continue
        if name.decode() in found:
            raise Refused(400, f"{name.decode()} is given twice")
        found[name.decode()] = value.decode("latin-1")
    return found


def back(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that a session gets to see: no cookie, no redirect, no challenge, nothing of whose key it is."""
    return [(name.lower(), value) for name, value in headers if _BACK.fullmatch(name.lower())]


def length(headers: Headers) -> int | None:
    """Of the body, where it is told beforehand."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)


def _check_body(wanted: Wanted, headers: list[tuple[bytes, bytes]]) -> None:
    told = [name for name, _ in headers if name in {b"content-length", b"transfer-encoding"}]
    if len(told) > 1:
        raise Refused(400, _UNREADABLE)
    size = length(headers)
    if not told and wanted.value[0] == b"POST":
        raise Refused(411, _UNREADABLE)
    if told and wanted.most == 0 and size != 0:
        raise Refused(400, "this takes no body")
    if size is not None and size > wanted.most:
        raise Refused(413, f"at most {wanted.most // MEGABYTE} MB are taken here")
    if wanted is Wanted.PUSH and any(name == b"content-encoding" for name, _ in headers):
        raise Refused(415, "what is pushed has to come as it is")
