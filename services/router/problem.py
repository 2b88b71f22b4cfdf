from libs.common.errors import DockupError


class Problem(DockupError):
    """The proxy cannot serve; the message tells a person why and what to do."""
