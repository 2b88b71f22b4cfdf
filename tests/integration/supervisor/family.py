"""A supervisor over real NATS and Redis and two services that only wait. Run as a module, with DOCKUP_HOME set."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from libs.common import log
from libs.common.config import SettingError
from libs.supervisor import children, process
from libs.supervisor.children import Child
from libs.supervisor.home import Home
from libs.supervisor.settings import environment, find_home
from libs.supervisor.tree import Tree, hold_back


def waits() -> None:
    """Leave a program behind that holds whatever it inherited, say which process this is, then wait for the end."""
    if "LEAVES" in os.environ:
        left = subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True)
        (Path(os.environ["LEAVES"]) / str(left.pid)).touch()
    sys.stdout.write(f"here {os.getpid()} {os.environ['WORD']}\n")
    sys.stdout.flush()
    signal.pause()


def stubborn() -> None:
    """Take TERM and go on, until a file says that it may end."""
    signal.signal(signal.SIGTERM, lambda *_: Path(os.environ["TOLD"]).touch())
    while True:
        signal.pause()


def main() -> int:
    log.configure("supervisor")
    hold_back()
    home = find_home()
    if not process.claim(home.pid_file("supervisor")):
        return process.BUSY
    while "SLOW" in os.environ and not (home.root / "go").exists():
        time.sleep(0.02)
    servers = children.servers(home, home.load(), environment(home))
    Tree(home, [*servers, *services(home)], lambda: services(home)).run()
    return 0


def services(home: Home) -> list[Child]:
    """They say the word that the file `word` has; a wrong one is refused."""
    word = home.root / "word"
    said = word.read_text(encoding="utf-8") if word.exists() else "hello"
    if said == "wrong":
        raise SettingError("WORD", "is wrong")
    env = {"PATH": os.environ["PATH"], "WORD": said, "TOLD": str(home.root / "told")}
    leaves = {"LEAVES": os.environ["LEAVES"]} if "LEAVES" in os.environ else {}
    ours = [Child(name="first", entry=waits, env={**env, **leaves}), Child(name="second", entry=waits, env=env)]
    if "STUBBORN" in os.environ:
        ours.append(Child(name="stubborn", entry=stubborn, env=env))
    return ours


if __name__ == "__main__":
    sys.exit(main())
