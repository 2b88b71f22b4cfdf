"""Which tests go to one worker together, and which go first.

Together goes what shares what a module starts, what shares the run's own stack, so that one worker has it and the other none, and builds,
for which the engine has one set of limits. What takes minutes goes first, so that no worker is alone with it in the end.

The groups of pytest-xdist 3.8 are lost on pytest 9.2, which keeps ids of tests in another way than it expects.
"""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

_ROOT = Path(__file__).parents[1]
_BUILDS = ("tests/integration/builder/test_from_source.py", "tests/e2e/test_codex.py", "tests/e2e/test_git.py")
_FIRST = ("stack", "builds", "tests/attacks/", "tests/e2e/", "tests/faults/")
_OF_MODULE = 'scope="module"'
_OWN_STACK = re.compile(r"\bStack\(")
_DATABASE = re.compile(r"[\[-](sqlite|postgresql)[-\]]")


def unit_of(nodeid: str) -> str:
    """What is given to a worker as one: a file's tests on one database where its fixtures are the module's, else the test by itself."""
    path = nodeid.partition("::")[0]
    if path in _BUILDS:
        return "builds"
    if path.startswith("tests/e2e/") and not _OWN_STACK.search(_text(path)):
        return "stack"
    if not _shares(path):
        return nodeid
    database = _DATABASE.search(nodeid)
    return f"{path} {database[1] if database else ''}"


def rank(unit: str, tests: int) -> tuple[int, int]:
    """Its place in the queue, the lowest first: what takes long, then what has many tests; tests by themselves even out the end."""
    place = next((place for place, start in enumerate(_FIRST) if unit.startswith(start)), len(_FIRST))
    return place, -tests


@cache
def _text(path: str) -> str:
    return (_ROOT / path).read_text(encoding="utf-8")


@cache
def _shares(path: str) -> bool:
    """Whether the file, or what is for all of its folder, has fixtures of a module."""
    beside = Path(path).with_name("conftest.py")
    return any(_OF_MODULE in _text(str(each)) for each in (path, beside) if (_ROOT / each).is_file())


class Together(LoadScopeScheduling):
    """Gives out units by their rank."""

    _is_sorted = False

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._is_sorted:
            self._is_sorted = True
            for unit in sorted(self.workqueue, key=lambda unit: rank(unit, len(self.workqueue[unit]))):
                self.workqueue.move_to_end(unit)
        super()._assign_work_unit(node)
