"""The supervisor's own process: `python -m libs.supervisor`, with `DOCKUP_HOME` set. `dockup up` makes everything ready for it.

Ends with 0 when told to, 2 for a wrong setting (starting again would not help), 75 when another supervises this state folder.
"""

import sys

from libs.common import log
from libs.common.config import SettingError
from libs.supervisor import children, process
from libs.supervisor.settings import environment, find_home
from libs.supervisor.tree import Tree


def main() -> int:
    log.configure("supervisor")
    try:
        home = find_home()
        home.prepare()
        if not process.claim(home.pid_file("supervisor")):
            sys.stderr.write("dockup: another supervisor runs on this state folder\n")
            return process.BUSY
        state, environ = home.load(), environment(home)
        family = [*children.servers(home, state, environ), *children.services(home, state, environ)]
    except SettingError as error:
        sys.stderr.write(f"dockup: {error}\n")
        return 2
    children.freeze()
    Tree(home, family).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
