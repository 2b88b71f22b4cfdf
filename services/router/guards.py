"""The sealed guards of apps, opened once each."""

from functools import lru_cache

import structlog

from libs.common.messages.api import Guard
from libs.common.secrets import UnreadableError, Vault
from services.router import maps

logger = structlog.get_logger()


class Guards:
    """`secret_key` may be empty: then none can be read."""

    def __init__(self, secret_key: str) -> None:
        self._vault = Vault(secret_key) if secret_key else None
        self.open = lru_cache(maxsize=10_000)(self._open)

    def _open(self, token: str) -> Guard | None:
        """None where there is no guard; one that cannot be read lets nobody pass."""
        if not token:
            return None
        try:
            if self._vault is not None:
                return self._vault.open(token, Guard)
        except UnreadableError as error:
            logger.error("guard.unreadable", error=str(error))  # noqa: TRY400 - the sentence says it all
        return maps.unreadable()
