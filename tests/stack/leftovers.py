"""What an installation has on the engine: looked at by tests, and removed when a stack ends. By label, so never anybody else's."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import docker
import docker.errors

DOCKER_HOST = os.environ.get("DOCKUP_DOCKER_HOST") or "unix:///var/run/docker.sock"


class Leftovers:
    """The engine's view of one installation."""

    def __init__(self, instance: str, client: docker.APIClient | None = None) -> None:
        self.client = client or docker.APIClient(DOCKER_HOST, version="auto")
        self._label = f"dockup.instance={instance}"

    def containers(self, app_id: str | None = None) -> list[dict[str, Any]]:
        """As the engine lists them, stopped ones too."""
        labels = [self._label] + ([f"dockup.app={app_id}"] if app_id else [])
        found: list[dict[str, Any]] = self.client.containers(all=True, filters={"label": labels})
        return found

    def networks(self, project_id: str | None = None) -> list[dict[str, Any]]:
        labels: list[str] = [self._label] + ([f"dockup.project={project_id}"] if project_id else [])
        return list(self.client.networks(filters={"label": labels}))

    def volumes(self, app_id: str | None = None) -> list[dict[str, Any]]:
        labels = [self._label] + ([f"dockup.app={app_id}"] if app_id else [])
        return list(self.client.volumes(filters={"label": labels})["Volumes"] or ())

    def tags(self, app_id: str) -> list[str]:
        """Image tags that Dockup made for the app."""
        return [tag for image in self.client.images(f"dockup/{app_id}") for tag in image["RepoTags"] or ()]

    def remove(self, app_ids: list[str]) -> None:
        """Remove it all; what goes away meanwhile is fine."""
        for container in self.containers():
            with contextlib.suppress(docker.errors.NotFound):
                self.client.remove_container(container["Id"], force=True, v=True)
        for volume in self.volumes():
            with contextlib.suppress(docker.errors.NotFound):
                self.client.remove_volume(volume["Name"])
        for network in self.networks():
            with contextlib.suppress(docker.errors.NotFound):
                self.client.remove_network(network["Id"])
        for app_id in app_ids:
            for tag in self.tags(app_id):
                with contextlib.suppress(docker.errors.NotFound):
                    self.client.remove_image(tag, force=True)


def known_apps(home: Path) -> list[str]:
    """The ids in the stack's SQLite file; none when it has no such file."""
    path = home / "api" / "dockup.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return [str(row[0]) for row in database.execute("select id from apps")]
