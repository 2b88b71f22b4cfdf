"""The one client of GitHub that this process has, opened when it is first needed."""

from typing import TYPE_CHECKING

from services.api.git.github import server
from services.api.settings import Settings

if TYPE_CHECKING:
    from services.api.git.github.client import GitHub


class Hub:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: GitHub | None = None

    @property
    def is_configured(self) -> bool:
        return server.is_configured(self._settings)

    def github(self) -> "GitHub":
        """`409 github_not_configured`."""
        if self._client is None:
            found = server.of(self._settings)
            from services.api.git.github.client import GitHub  # noqa: PLC0415 - 8 MB that most installations do not need

            self._client = GitHub(found)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
