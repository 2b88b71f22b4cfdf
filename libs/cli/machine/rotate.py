"""`dockup secrets rotate`: a new secret key, and everything that is stored put under it.

Each step can be done again: `state.json` has the new key before anybody uses it, the services get it together, and only then is
anything put under it. What was broken off is taken up where it stands.
"""

import signal
from time import monotonic, sleep
from typing import Any

import msgspec
from cryptography.fernet import Fernet

from libs.cli.machine.client import ask
from libs.common.secrets import key_ids, split
from libs.supervisor import process
from libs.supervisor.home import Home, State
from libs.supervisor.problem import Problem
from libs.supervisor.progress import Progress
from libs.supervisor.settings import environment, find_home
from libs.supervisor.up import alone

_NAME = "DOCKUP_SECRET_KEY"
_PATH = "/system/secrets"
_ROTATE_SECONDS = 3600.0
_RESTART_SECONDS, _TELL_AGAIN_SECONDS = 90.0, 20.0
_SETTLE_SECONDS = 30.0


def rotate() -> int:
    """Make a new first key, unless a rotation was broken off, and put everything under it. Return the exit status."""
    home, progress = find_home(), Progress()
    if own := environment(home).get(_NAME):
        return _rotate_own(own, progress)
    if not home.run.exists():
        raise Problem(f"there is no Dockup in {home.root}; start one with: dockup up --detach")
    with alone(home):
        state = home.load()
        if not state.rotating:
            ask("GET", _PATH)  # refuses before anything is changed
            state = msgspec.structs.replace(state, secret_key=f"{_new_key()},{state.secret_key}", rotating=True)
            home.keep(state)
        _deliver(home, state, progress)
        _reseal(progress)
        home.keep(msgspec.structs.replace(state, rotating=False))
    progress.say("to forget the old keys: dockup secrets rotate --drop-old")
    return 0


def drop() -> int:
    """Forget all keys but the first, once nothing needs them. Return the exit status."""
    home, progress = find_home(), Progress()
    own = environment(home).get(_NAME)
    ask("GET", _PATH)  # refuses before anything is changed
    with alone(home):
        state = home.load()
        keys = own or state.secret_key
        if state.rotating and not own:
            raise Problem("a rotation was broken off; finish it first: dockup secrets rotate")
        if own:
            _check_told(own, ask("GET", _PATH))
        else:
            _deliver(home, state, progress)
        if len(split(keys)) == 1:
            progress.say("there is one key, and no old one")
            return 0
        _await_unused(progress)
        if own:
            progress.say(f"nothing needs the old keys; leave only the first in {_NAME}, then: dockup down, dockup up --detach")
            return 0
        state = msgspec.structs.replace(state, secret_key=split(keys)[0])
        home.keep(state)
        _deliver(home, state, progress)
    progress.say("the old keys are forgotten; logins from before the rotation have ended")
    return 0


def _rotate_own(keys: str, progress: Progress) -> int:
    """The key is the user's own: only they can add one. What stands under an old one is put under the first."""
    seen = ask("GET", _PATH)
    _check_told(keys, seen)
    if any(key["values"] for key in seen["keys"][1:]):
        _reseal(progress)
        progress.say("to see whether an old key may go: dockup secrets rotate --drop-old")
        return 0
    progress.say(f"everything stands under the first key of {_NAME}, which is yours to set. For a new one:")
    progress.say(f"1. set it, in the environment or in dockup.env, to: {_NAME}={_new_key()},{','.join(split(keys))}")
    progress.say("2. dockup down, dockup up --detach")
    progress.say("3. dockup secrets rotate")
    return 0


def _check_told(keys: str, seen: dict[str, Any]) -> None:
    if _ids(seen) != key_ids(keys):
        raise Problem(f"the services do not have the keys of {_NAME} yet; run: dockup down, dockup up --detach")


def _deliver(home: Home, state: State, progress: Progress) -> None:
    """Have every service end, and all start again with the keys of `state`; apps and the proxy go on serving."""
    wanted = key_ids(state.secret_key)
    if _told() == wanted:
        return
    with progress.step("restarting the services"):
        until, again = monotonic() + _RESTART_SECONDS, 0.0
        while (told := _told()) != wanted:
            if monotonic() > until:
                raise Problem("the services did not start again; see: dockup status, then run this again")
            # One that does not answer is being restarted already.
            if told is not None and monotonic() > again:
                _tell(home)
                again = monotonic() + _TELL_AGAIN_SECONDS
            sleep(0.3)


def _tell(home: Home) -> None:
    supervisor = process.running(home.pid_file("supervisor"))
    if supervisor is None:
        raise Problem("nobody supervises the services; run: dockup up --detach, then this again")
    process.tell(supervisor, signal.SIGUSR1)


def _told() -> tuple[str, ...] | None:
    """The keys that the API has; None while it does not answer."""
    try:
        return _ids(ask("GET", _PATH))
    except Problem:
        return None


def _ids(seen: dict[str, Any]) -> tuple[str, ...]:
    return tuple(key["id"] for key in seen["keys"])


def _reseal(progress: Progress) -> None:
    with progress.step("putting everything under the new key"):
        done = ask("POST", f"{_PATH}/rotate", timeout=_ROTATE_SECONDS)
    progress.say(f"{done['values']} values were put under the first key")
    if unreadable := ask("GET", _PATH)["unreadable"]:
        progress.say(f"note: {unreadable} values can be read with none of the keys, and were left")


def _await_unused(progress: Progress) -> None:
    """What was just put under the new key reaches the bus within a moment; `Problem` when an old key is needed after that."""
    until = monotonic() + _SETTLE_SECONDS
    with progress.step("looking for what needs an old key"):
        while left := sum(key["values"] for key in ask("GET", _PATH)["keys"][1:]):
            if monotonic() > until:
                raise Problem(f"{left} values need an old key, and nothing was forgotten; run: dockup secrets rotate")
            sleep(0.5)


def _new_key() -> str:
    return Fernet.generate_key().decode()
