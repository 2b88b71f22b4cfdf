"""What the runtime is told."""

from libs.common.config import Common


class Settings(Common, frozen=True, kw_only=True):
    """`network_pool` is the range that each project's /26 is taken from; `secret_key` opens the environment of releases."""

    secret_key: str
    docker_host: str = "unix:///var/run/docker.sock"
    network_pool: str = "10.213.0.0/16"
