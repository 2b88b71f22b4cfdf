"""What the runtime is told."""

from typing import Annotated

from msgspec import Meta

from libs.common import egress
from libs.common.config import Common, SettingError


class Settings(Common, frozen=True, kw_only=True):
    """`network_pool` is the range that each project's /26 is taken from; `secret_key` opens the environment of releases.

    `codex_api` is the model's API of coding sessions, `codex_sessions` how many there may be at once, and of each the limits; they reach
    what is public, and what `egress_allow` names.
    """

    secret_key: str
    docker_host: str = "unix:///var/run/docker.sock"
    network_pool: str = "10.213.0.0/16"
    egress_allow: tuple[str, ...] = ()
    codex_api: Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9\[][!-~]*$")] = "https://api.openai.com/v1"
    codex_sessions: Annotated[int, Meta(ge=0)] = 4
    codex_cpu: Annotated[float, Meta(ge=0.05)] = 2.0
    codex_memory_mb: Annotated[int, Meta(ge=64)] = 2048
    codex_disk_mb: Annotated[int, Meta(ge=1)] = 10_240

    def __post_init__(self) -> None:
        try:
            egress.parse(self.egress_allow)
        except ValueError as error:
            raise SettingError("DOCKUP_EGRESS_ALLOW", str(error)) from error
