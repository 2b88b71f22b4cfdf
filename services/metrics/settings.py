from typing import Annotated

import msgspec

from libs.common.config import Common


class Settings(Common, frozen=True, kw_only=True):
    """`sync_seconds` is the time between two looks at everything, `scale_seconds` between two at the apps that load decides on.

    Without `redis_url` the latest samples are kept nowhere.
    """

    docker_host: str = "unix:///var/run/docker.sock"
    redis_url: str = ""
    sync_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 30.0
    scale_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 5.0
