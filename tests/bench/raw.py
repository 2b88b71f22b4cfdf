"""The floor: create, start and ready by docker-py alone, from the body that Dockup itself would send."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import docker
from docker.types import IPAMConfig, IPAMPool

from libs.common.engine.spec import ContainerSpec, create_body
from tests import images

SUBNET = "10.127.77.0/26"
GATEWAY, ADDRESS = "10.127.77.1", "10.127.77.5"
_LANES = "10.127.77.1{lane}"
LABELS = {"dockup-test": "bench"}
_GAP = 0.0005
_REQUEST = b"GET /version HTTP/1.1\r\nHost: raw\r\nConnection: close\r\n\r\n"


class Raw:
    """One user-defined network; `round` makes a container in it and takes it away again."""

    def __init__(self, client: docker.APIClient, network: str) -> None:
        self._client = client
        self._network = network
        self._numbers = count(1)

    def round(self) -> float:
        """Milliseconds from the first call to the first 200."""
        started = time.perf_counter()
        container = self._create(ADDRESS)
        try:
            self._client.start(container)
            _await_answer()
            return (time.perf_counter() - started) * 1000
        finally:
            self._client.remove_container(container, force=True, v=True)

    def lives(self, lane: int, count: int) -> None:
        """Create, start and remove one after another; those of other lanes may be there at the same time."""
        for _ in range(count):
            container = self._create(_LANES.format(lane=lane))
            try:
                self._client.start(container)
            finally:
                self._client.remove_container(container, force=True, v=True)

    @contextmanager
    def kept(self) -> Iterator[str]:
        """A container that ran once and lies stopped."""
        container = self._create(ADDRESS)
        try:
            self.start(container)
            yield container
        finally:
            self._client.remove_container(container, force=True, v=True)

    def start(self, container: str) -> float:
        """Milliseconds from the call to the first 200; it lies stopped again in the end."""
        started = time.perf_counter()
        self._client.start(container)
        _await_answer()
        took = (time.perf_counter() - started) * 1000
        self._client.stop(container, timeout=10)
        return took

    def _create(self, address: str) -> str:
        number = next(self._numbers)
        body = create_body(
            ContainerSpec(
                name=f"dockup-bench-{number}",
                image_id=images.web(),
                labels=LABELS,
                env={"VERSION": str(number), "PORT": str(images.PORT)},
                command=None,
                network=self._network,
                address=address,
                port=images.PORT,
                cpu=None,
                memory=None,
            )
        )
        return str(self._client.create_container_from_config(body, f"dockup-bench-{number}")["Id"])  # type: ignore[no-untyped-call]


def _await_answer() -> None:
    while True:
        try:
            with socket.create_connection((ADDRESS, images.PORT), timeout=1) as connection:
                connection.sendall(_REQUEST)
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            time.sleep(_GAP)


@contextmanager
def raw_engine(client: docker.APIClient) -> Iterator[Raw]:
    """Make the network that exists beforehand, and remove it in the end."""
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET, gateway=GATEWAY)])
    network = client.create_network("dockup-bench", driver="bridge", ipam=ipam, labels=LABELS)["Id"]
    try:
        yield Raw(client, network)
    finally:
        client.remove_network(network)
