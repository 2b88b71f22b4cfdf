"""Examples for coding sessions; see `examples`."""

from typing import Any

from libs.common.secrets import MASK
from services.api.codex.schemas import CodexKey, CodexKeyBody

INSTANCES: tuple[Any, ...] = (
    CodexKey(key=MASK, ends_with="x7Qa", updated_at="2026-01-31T09:30:00.000Z"),
    CodexKeyBody(key="sk-proj-0123456789abcdefghijx7Qa"),
)
