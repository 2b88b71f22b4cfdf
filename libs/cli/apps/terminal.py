"""This side of a session: what is typed goes out, a terminal is raw meanwhile and tells its size, a pipe tells its end."""

import contextlib
import json
import os
import select
import signal
import sys
import termios
import threading
import tty as ttys
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

_PIECE = 64 * 1024
_LONGEST_SIDE = 1000
_KILLED = 128
_USUAL = os.terminal_size((80, 24))


@contextlib.contextmanager
def attached(socket: ClientConnection, *, tty: bool) -> Iterator[None]:
    """Standard input goes to the session until the end of the block."""
    reader, writer = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, writer)
        if tty and sys.stdin.isatty():
            stack.enter_context(_raw(sys.stdin.fileno()))
        if tty:
            before = signal.signal(signal.SIGWINCH, lambda _number, _frame: os.write(writer, b"!"))
            stack.callback(signal.signal, signal.SIGWINCH, before)
            _tell_size(socket)
        threading.Thread(target=_feed, args=(socket, reader, tty), daemon=True).start()
        yield


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    ended = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(_KILLED + number))  # by way of what puts it back
    ttys.setraw(terminal, termios.TCSADRAIN)  # what was typed ahead stays
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, ended)


def _tell_size(socket: ClientConnection) -> None:
    try:
        size = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        size = _USUAL
    cols, rows = (min(max(1, side), _LONGEST_SIDE) for side in size)
    socket.send(json.dumps({"type": "resize", "cols": cols, "rows": rows}))


def _feed(socket: ClientConnection, resized: int, tty: bool) -> None:  # noqa: FBT001 - a thread's positional argument
    """Until the session or the input ends. A byte in `resized` says that the terminal has another size; its end, that all is over."""
    typed = sys.stdin.fileno()
    sources = [typed, resized]
    with contextlib.suppress(ConnectionClosed, OSError):
        while True:
            ready, _, _ = select.select(sources, [], [])
            if resized in ready:
                if not os.read(resized, _PIECE):
                    break
                _tell_size(socket)
            if typed in ready and not _pass_on(socket, typed, tty=tty):
                sources.remove(typed)
    os.close(resized)


def _pass_on(socket: ClientConnection, typed: int, *, tty: bool) -> bool:
    """False at the end of the input; a terminal's shell is told so by ^D."""
    data = os.read(typed, _PIECE)
    if data:
        socket.send(data)
    else:
        socket.send("\x04" if tty else json.dumps({"type": "stdin", "eof": True}))
    return bool(data)
