"""What a push asks for: the commands at the head of a `git-receive-pack` request, before the pack. Pure.

The form is that of gitprotocol-pack(5); what is not exactly so is refused, for two readers of one text may not come to two meanings.
"""

import re

import msgspec

from services.runtime.codex.gate.rules import Refused

FLUSH = b"0000"
MOST = 64 * 1024
"""Bytes of commands, which is more than git sends for a hundred refs."""
_DIGITS = 4
_LENGTH = re.compile(rb"[0-9a-f]{4}")
_NUMBER = rb"(?:[0-9a-f]{40}|[0-9a-f]{64})"
_COMMAND = re.compile(rb"(?P<old>%b) (?P<new>%b) (?P<ref>refs/[\x21-\x7e]{1,1000})" % (_NUMBER, _NUMBER))
_SHALLOW = re.compile(rb"shallow %b\n?" % _NUMBER)
_CAPABILITY = re.compile(
    rb"report-status|report-status-v2|delete-refs|side-band-64k|quiet|atomic|ofs-delta|object-format=(?:sha1|sha256)"
    rb"|(?:agent|session-id)=[\x21-\x7e]{1,256}"
)


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """`size` is where the commands end and the pack begins. No `ref`: git only asks whether it may speak at all."""

    size: int
    ref: str = ""
    commit: str = ""


def read(head: bytes) -> Push | None:
    """The commands, once they are there in full; None: more is needed. `Refused` for what no push of a session is."""
    lines: list[bytes] = []
    at = 0
    while len(digits := head[at : at + _DIGITS]) == _DIGITS:
        size = int(digits, 16) if _LENGTH.fullmatch(digits) else 1
        if size == 0:
            return _commands(lines, at + _DIGITS)
        if size <= _DIGITS:
            raise Refused(400, "this is no push")
        if at + size > len(head):
            break
        lines.append(head[at + _DIGITS : at + size])
        at += size
    if len(head) > MOST:
        raise Refused(413, "a push has one command")
    return None


def check(push: Push, branch: str) -> None:
    """`Refused` unless it writes this branch, and no other."""
    if push.ref and push.ref != f"refs/heads/{branch}":
        raise Refused(403, f"a session pushes to {branch} alone: git push origin HEAD:{branch}")
    if push.commit and not push.commit.strip("0"):
        raise Refused(403, "a session deletes no branch")


def was_taken(answer: bytes, push: Push) -> bool:
    """Whether the host reports that it wrote the ref. `answer` may be cut off behind its beginning."""
    return b"ok %b\n" % push.ref.encode() in answer


def _commands(lines: list[bytes], size: int) -> Push:
    commands = [line for line in lines if not _SHALLOW.fullmatch(line)]
    if not commands:
        if lines:
            raise Refused(400, "this is no push")
        return Push(size=size)
    if len(commands) > 1:
        raise Refused(403, "a session pushes one branch")
    text, nul, capabilities = commands[0].partition(b"\0")
    found = _COMMAND.fullmatch(text)
    if found is None or not nul:
        raise Refused(400, "this is no push")
    for word in capabilities.removesuffix(b"\n").split(b" "):
        if word and not _CAPABILITY.fullmatch(word):
            raise Refused(403, f"a session's push goes without {word[:40].decode('ascii', 'replace')}")
    return Push(size=size, ref=found["ref"].decode(), commit=found["new"].decode())
