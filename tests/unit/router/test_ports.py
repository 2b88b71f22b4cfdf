import os
import socket

import pytest

from services.router import ports
from services.router.problem import Problem


def test_a_port_that_is_shared_by_reuseport_is_taken() -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for bind in ("127.0.0.1", ""):
            with pytest.raises(Problem, match=rf"Port {port} is taken by .* \(process {os.getpid()}\).*set DOCKUP_HTTPS_PORT"):
                ports.require_free({"DOCKUP_HTTPS_PORT": port}, bind)
    ports.require_free({"DOCKUP_HTTPS_PORT": port}, "127.0.0.1")


def test_a_foreign_address_is_named() -> None:
    with pytest.raises(Problem, match="DOCKUP_BIND"):
        ports.require_free({"DOCKUP_HTTP_PORT": 0}, "192.0.2.1")


def test_binds() -> None:
    assert ports.binds("127.0.0.1") == ("127.0.0.1:{port}",)
    assert ports.binds("::1") == ("[::1]:{port}",)
    assert len(ports.binds("")) == 1
