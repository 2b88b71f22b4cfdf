"""The supervisor's own process: `python -m libs.supervisor`, with `DOCKUP_HOME` set. `dockup up` makes everything ready for it.

SIGUSR1: the services start again with what `state.json` and the settings say now.
Ends with 0 when told to, 2 for a wrong setting (starting again would not help), 75 when another supervises this state folder.
"""

import signal
import sys

from libs.common import heap, log
from libs.common.config import SettingError
from libs.supervisor import children, process
from libs.supervisor.settings import environment, find_home
from libs.supervisor.tree import Tree, hold_back


def main() -> int:
    log.configure("supervisor")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until there is somebody to start anew
    hold_back()
    try:
        home = find_home()
        home.make()
        if not process.claim(home.pid_file("supervisor")):
            sys.stderr.write("dockup: another supervisor runs on this state folder\n")
            return process.BUSY
        state, environ = home.load(), environment(home)
        family = [*children.servers(home, state, environ), *children.services(home, state, environ)]
    except SettingError as error:
        sys.stderr.write(f"dockup: {error}\n")
        return 2
    heap.settle()
    Tree(home, family, lambda: children.services(home, home.load(), environment(home))).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
