from libs.common.config import Common


class Settings(Common, frozen=True, kw_only=True):
    """`sync_seconds` is the time between two looks at everything; without `redis_url` the latest samples are kept nowhere."""

    docker_host: str = "unix:///var/run/docker.sock"
    redis_url: str = ""
    sync_seconds: float = 30
