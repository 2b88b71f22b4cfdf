"""What stops a start or a stop and is not a setting: a plain sentence for the person at the keyboard."""

from libs.common.errors import DockupError


class Problem(DockupError):
    """The message says what is wrong and what to do."""
