"""What the route of a terminal takes, and what goes over its WebSocket as text."""

import shlex
from typing import Annotated

import msgspec
from litestar.params import Parameter

from libs.common.messages.sessions import ExecRequest
from services.api.http.problems import invalid

LONGEST = 4096
_LONGEST_REPLICA, _LONGEST_PROCESS = 128, 20
Token = Annotated[str | None, Parameter(max_length=4096, description="An API key or JWT, for clients that cannot send Authorization.")]
Command = Annotated[
    str,
    Parameter(
        max_length=LONGEST, description="What to run, split into words as a shell would, without running one: `/bin/sh -c 'ls | wc -l'`."
    ),
]
Tty = Annotated[
    bool, Parameter(description="With a terminal: output and errors are one stream, and its size can be set. Without: a plain pipe.")
]
Replica = Annotated[
    str | None,
    Parameter(
        max_length=_LONGEST_REPLICA, description="In this replica, by the name that stats and logs give it; else in one that serves."
    ),
]
Process = Annotated[
    str | None, Parameter(max_length=_LONGEST_PROCESS, description="In a replica of this process, `web` or another; else in `web`.")
]
_SIDE = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class ResizeFrame(msgspec.Struct, frozen=True, kw_only=True, tag="resize", forbid_unknown_fields=True):
    """From the client: its terminal has this size now."""

    cols: _SIDE
    rows: _SIDE


class StdinFrame(msgspec.Struct, frozen=True, kw_only=True, tag="stdin", forbid_unknown_fields=True):
    """From the client: input as text. `eof`: and the input ends here, which only a session without a terminal can be told so."""

    data: str = ""
    eof: bool = False


class StderrFrame(msgspec.Struct, frozen=True, kw_only=True, tag="stderr"):
    """From the server, of a session without a terminal: what was written on standard error, as text."""

    data: str


class ExitFrame(msgspec.Struct, frozen=True, kw_only=True, tag="exit", omit_defaults=True):
    """From the server, the last. `code` is null when the process did not exit by itself; `reason` then says what ended the session."""

    code: int | None
    reason: str | None = None
    detail: str = ""


_frames = msgspec.json.Decoder(ResizeFrame | StdinFrame)


def read(text: str) -> ResizeFrame | StdinFrame:
    """A text frame that is no control is what somebody typed."""
    try:
        frame: ResizeFrame | StdinFrame = _frames.decode(text)
    except msgspec.DecodeError:
        return StdinFrame(data=text)
    return frame


def asked(command: str | None, tty: str | None, replica: str | None, process: str | None) -> ExecRequest:
    """`400 validation_failed` for what cannot be run by anything."""
    return ExecRequest(
        command=words(command if command is not None else "/bin/sh"),
        tty=flag(tty, "/tty"),
        replica=_name(replica, "/replica", _LONGEST_REPLICA),
        process=_name(process, "/process", _LONGEST_PROCESS),
    )


def words(command: str) -> tuple[str, ...]:
    if len(command) > LONGEST or "\0" in command:
        raise invalid("/cmd", f"takes at most {LONGEST} characters, none of them NUL")
    try:
        found = tuple(shlex.split(command))
    except ValueError as error:
        raise invalid("/cmd", f"cannot be split into words: {str(error).lower()}") from error
    if not found or not found[0]:
        raise invalid("/cmd", "names no program")
    return found


def flag(text: str | None, pointer: str) -> bool:
    if text not in {None, "true", "false"}:
        raise invalid(pointer, "takes true or false")
    return text != "false"


def _name(given: str | None, pointer: str, longest: int) -> str | None:
    if given is not None and not 0 < len(given) <= longest:
        raise invalid(pointer, f"takes the name of a {pointer[1:]}")
    return given
