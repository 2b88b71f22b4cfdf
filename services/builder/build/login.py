"""The command line's configuration for one build: the logins that came with the command, and nobody else's."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from libs.common.messages.builder import RegistryLogin
from services.builder.build.cli import Cli

_HUB = {"docker.io", "index.docker.io", "registry-1.docker.io"}
_HUB_KEY = "https://index.docker.io/v1/"


def write(folder: Path, cli: Cli, logins: Sequence[RegistryLogin]) -> Path:
    """Write it into `folder`, mode 0600, and return what DOCKER_CONFIG has to be."""
    config = folder / "docker"
    config.mkdir(mode=0o700)
    if cli.plugins:
        (config / "cli-plugins").symlink_to(cli.plugins)
    path = config / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": auths(logins)}), encoding="utf-8")
    return config


def auths(logins: Sequence[RegistryLogin]) -> dict[str, dict[str, str]]:
    return {
        _HUB_KEY if login.server in _HUB else login.server: {
            "auth": base64.b64encode(f"{login.username}:{login.password}".encode()).decode(),
        }
        for login in logins
    }
