"""HAProxy's sockets: commands in, answers out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.router.problem import Problem

_PROMPT = "\n> "
_TIMEOUT = 10.0
_LIMIT = 64 * 1024 * 1024
_GOOD = ("New server registered.", "Server deleted.", "Success!", "New empty certificate store", "Transaction created", "deleted")


class Refused(Problem):
    """HAProxy did not do what a command asked for. `command` is its first line."""

    def __init__(self, command: str, answer: str) -> None:
        super().__init__(f"HAProxy refused {command!r}: {answer}")
        self.command = command
        self.answer = answer


class Away(Problem):
    """The socket does not answer."""


async def ask(socket: Path, commands: Sequence[str]) -> list[str]:
    """Run `commands` over one connection to a worker's socket, in order, and return the answer of each; `Away` when it does not answer.

    A command with a payload ends with `<<`, a newline, the payload without blank lines, and a newline.
    """
    lines = ["prompt", *commands, "quit"]
    text = await _exchange(socket, "".join(f"{line}\n" for line in lines))
    answers = text.split(_PROMPT)[1:-1]
    if len(answers) != len(commands):
        raise Away(f"{socket.name} answered {len(answers)} of {len(commands)} commands")
    return [answer.strip("\n") for answer in answers]


def info(shown: str) -> dict[str, str]:
    """What `show info` printed, by name."""
    return dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line)


def pid_in(shown: str) -> int:
    """The process id that `show info` printed; 0 for none."""
    return int(info(shown).get("Pid", "0"))


async def ask_master(socket: Path, command: str) -> str:
    """Run one command on the master's socket; `@!PID` before it sends it to one worker."""
    return (await _exchange(socket, f"{command}\nquit\n")).strip("\n")


async def ask_worker(socket: Path, pid: int, commands: Sequence[str]) -> list[str]:
    """As `ask`, of one worker by way of the master's socket."""
    lines = ["prompt", f"@!{pid}", *commands, "quit"]
    _, _, text = (await _exchange(socket, "".join(f"{line}\n" for line in lines))).partition(f"{pid}> ")
    answers = text.split(f"\n{pid}> ")[:-1]
    if len(answers) != len(commands):
        raise Away(f"worker {pid} answered {len(answers)} of {len(commands)} commands")
    return [answer.strip("\n") for answer in answers]


async def told(socket: Path, worker: int, commands: Sequence[str]) -> list[Refused | None]:
    """Run commands that change something, all of them, and return of each how HAProxy refused it, None where it did not.

    `Away` where another worker took them.
    """
    if not commands:
        return []
    shown, *answers = await ask(socket, ["show info", *commands])
    if pid_in(shown) != worker:
        raise Away(f"Another worker serves than {worker}: it was reloaded meanwhile.")
    return [
        None if not answer or any(good in answer for good in _GOOD) else Refused(command.splitlines()[0], answer)
        for command, answer in zip(commands, answers, strict=True)
    ]


async def _exchange(socket: Path, text: str) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(str(socket), limit=_LIMIT)
            try:
                writer.write(text.encode())
                return (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise Away(f"{socket.name} does not answer: {error or type(error).__name__}") from error
