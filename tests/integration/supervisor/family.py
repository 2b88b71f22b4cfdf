"""A supervisor over real NATS and Redis and two services that only wait. Run as a module, with DOCKUP_HOME set."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from libs.common import log
from libs.supervisor import children, process
from libs.supervisor.children import Child
from libs.supervisor.settings import environment, find_home
from libs.supervisor.tree import Tree


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
    home = find_home()
    if not process.claim(home.pid_file("supervisor")):
        return process.BUSY
    servers = children.servers(home, home.load(), environment(home))
    env = {"PATH": os.environ["PATH"], "WORD": "hello", "TOLD": str(home.root / "told")}
    leaves = {"LEAVES": os.environ["LEAVES"]} if "LEAVES" in os.environ else {}
    ours = [Child(name="first", entry=waits, env={**env, **leaves}), Child(name="second", entry=waits, env=env)]
    if "STUBBORN" in os.environ:
        ours.append(Child(name="stubborn", entry=stubborn, env=env))
    Tree(home, [*servers, *ours]).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
