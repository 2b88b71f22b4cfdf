"""Examples for projects, apps, deployments, events and logs; see `examples`."""

from typing import Any

from libs.common.messages.runtime import LogLine
from services.api.logs.schemas import Logs

_APP_ID = "app_019c13f1d3a37a8b9cadbecfd0e1f203"
_REPLICA = f"dk-{_APP_ID}-web-r1.0-0"

_line = LogLine(at="2026-01-31T09:30:04.120Z", stream="stdout", replica=_REPLICA, message="listening on 0.0.0.0:80")

INSTANCES: tuple[Any, ...] = (Logs(items=[_line]),)
