"""A whole Dockup of its own for tests and benches, started by the real command line."""

from tests.stack.dockup import Stack
from tests.stack.eventually import eventually

__all__ = ["Stack", "eventually"]
