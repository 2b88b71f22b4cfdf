"""What a person reads of an event where a hook is one of Slack's. Pure."""

from services.api.notifications.schemas import Notice

_MARK = {"info": "", "warning": ":warning: ", "error": ":x: "}
_LONGEST = 2_000


def slack(notice: Notice) -> dict[str, str]:
    """The body of an incoming webhook of Slack's: the app as a link, and the event's own sentence."""
    app = f"<{notice.app.url}|{_escaped(notice.app.name)}>: " if notice.app else ""
    return {"text": f"{_MARK.get(notice.level, '')}{app}{_escaped(notice.message[:_LONGEST])}"}


def _escaped(text: str) -> str:
    """Slack takes these three for markup of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
