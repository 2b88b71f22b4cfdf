"""A name server: Pebble's challenge test server, told over HTTP what to answer."""

import asyncio
import socket
from pathlib import Path
from typing import Self

import dns.message
import httpx

from tests.servers.ports import free_ports
from tests.servers.process import Process


class DnsServer:
    """`address` is `127.0.0.1:PORT`, UDP and TCP. A name that was not set has no address."""

    def __init__(self, folder: Path) -> None:
        self.address, management = (f"127.0.0.1:{port}" for port in free_ports(2))
        self._management = httpx.Client(base_url=f"http://{management}")
        none = [f"-{name}=" for name in ("http01", "https01", "tlsalpn01", "defaultIPv4", "defaultIPv6")]
        command = ["pebble-challtestsrv", f"-dns01={self.address}", f"-management={management}", *none]
        self._process = Process(command, folder / "dns.log")

    def start(self) -> None:
        self._process.start(self._answers)

    def stop(self) -> None:
        self._management.close()
        self._process.kill()

    def lead(self, name: str, *addresses: str) -> None:
        """The name's A records from now on; without any it has none."""
        self._tell("clear-a", {"host": name})
        if addresses:
            self._tell("add-a", {"host": name, "addresses": addresses})

    def prove(self, name: str, value: str) -> None:
        """The name's TXT record."""
        self._tell("set-txt", {"host": f"{name}.", "value": value})

    def _tell(self, call: str, body: object) -> None:
        self._management.post(f"/{call}", json=body).raise_for_status()

    def _answers(self) -> bool:
        try:
            self.lead("ready.example")
        except httpx.TransportError:
            return False
        return True


class Muffled(asyncio.DatagramProtocol):
    """In front of a name server, over UDP: names in `silenced` are not answered; `asked` are those that were asked for."""

    def __init__(self, server: str) -> None:
        self.silenced: set[str] = set()
        self.asked: set[str] = set()
        host, _, port = server.partition(":")
        self._server = host, int(port)
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    @property
    def address(self) -> str:
        return "127.0.0.1:{}".format(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name = dns.message.from_wire(data).question[0].name.to_text(omit_final_dot=True)
        self.asked.add(name)
        if name not in self.silenced:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as up:
                up.settimeout(5)
                up.sendto(data, self._server)
                self._transport.sendto(up.recv(4096), addr)
