"""The other end's count: the ids that the app's containers say they served, read from the engine as they are written."""

import re
import threading
from collections import Counter
from typing import Self

import docker
import docker.errors

_LINE = re.compile(rb"served [A-Z]+ (\S+)")


class Counts:
    """Follows the output of every container of an app; `served` counts each id over all of them."""

    def __init__(self, client: docker.APIClient, app_id: str) -> None:
        self._client = client
        self._label = f"dockup.app={app_id}"
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._ending = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self.served: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._looking.join()

    def followed(self) -> int:
        return len(self._threads)

    def wait_for(self, container_id: str, seconds: float = 10.0) -> None:
        """Wait until everything that a container which ended wrote has been read."""
        if thread := self._threads.get(container_id):
            thread.join(seconds)

    def _look(self) -> None:
        """Look for new containers often: one is followed from its first line on, whenever it is found."""
        while not self._ending.wait(0.05):
            for container in self._client.containers(all=True, filters={"label": self._label}):
                container_id = container["Id"]
                if container_id not in self._threads and container["State"] == "running":
                    thread = threading.Thread(target=self._follow, args=(container_id,), daemon=True)
                    self._threads[container_id] = thread
                    thread.start()

    def _follow(self, container_id: str) -> None:
        rest = b""
        try:
            for chunk in self._client.logs(container_id, stream=True, follow=True, stdout=True, stderr=False):
                *lines, rest = (rest + chunk).split(b"\n")
                with self._lock:
                    self.served.update(found[1].decode() for line in lines if (found := _LINE.search(line)))
        except docker.errors.APIError:
            return  # removed before it could be followed: its lines are missing, and nobody claims otherwise
