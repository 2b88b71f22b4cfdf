import os
import socket

import pytest

from libs.common.config import SettingError
from libs.supervisor import ports
from libs.supervisor.home import Ports
from libs.supervisor.ports import Taken
from libs.supervisor.settings import Settings

LAST = Ports(http=8180, https=8143, api=8001, nats=14223)


def probe(*taken: int) -> ports.Probe:
    return lambda port, _address: Taken("is taken by nginx (pid 7)") if port in taken else None


@pytest.mark.parametrize(
    ("settings", "last", "taken", "root", "chosen"),
    [
        pytest.param(Settings(), None, (), True, (80, 443, 8000, 14222), id="root has the usual ones"),
        pytest.param(Settings(), None, (), False, (8080, 8443, 8000, 14222), id="a user has the high ones"),
        pytest.param(Settings(), None, (443,), True, (8080, 8443, 8000, 14222), id="one of the usual two is taken"),
        pytest.param(Settings(), None, (8000, 14222), True, (80, 443, 8001, 14223), id="what nobody wrote down moves"),
        pytest.param(Settings(), LAST, (), True, (8180, 8143, 8001, 14223), id="as last time"),
        pytest.param(Settings(), LAST, (8001, 14223), True, (8180, 8143, 8000, 14222), id="as last time, as far as it goes"),
        pytest.param(Settings(https_port=9443), LAST, (), True, (8180, 9443, 8001, 14223), id="a setting wins over last time"),
        pytest.param(Settings(api_port=9000), None, (), True, (80, 443, 9000, 14222), id="the api's setting"),
        pytest.param(Settings(http_port=90, https_port=91), None, (80, 443), True, (90, 91, 8000, 14222), id="both set"),
    ],
)
def test_which_ports(settings: Settings, last: Ports | None, taken: tuple[int, ...], root: bool, chosen: tuple[int, ...]) -> None:  # noqa: FBT001 - a table's column
    found = ports.choose(settings, last, probe(*taken), root=root)
    assert (found.http, found.https, found.api, found.nats) == chosen


@pytest.mark.parametrize(
    ("settings", "last", "taken", "name"),
    [
        (Settings(https_port=9443), None, (9443,), "DOCKUP_HTTPS_PORT"),
        (Settings(http_port=9080), None, (9080,), "DOCKUP_HTTP_PORT"),
        (Settings(api_port=9000), None, (9000,), "DOCKUP_API_PORT"),
        (Settings(), LAST, (8143,), "DOCKUP_HTTPS_PORT"),
        (Settings(), None, (443, 8443), "DOCKUP_HTTPS_PORT"),
        (Settings(http_port=9443, https_port=9443), None, (), "DOCKUP_HTTPS_PORT"),
    ],
)
def test_a_port_that_is_taken_is_said_with_the_setting(settings: Settings, last: Ports | None, taken: tuple[int, ...], name: str) -> None:
    with pytest.raises(SettingError, match=name) as caught:
        ports.choose(settings, last, probe(*taken), root=True)
    assert caught.value.name == name


def test_a_shared_port_is_not_free() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        assert ports.holders(port) == [os.getpid()]
        for address in ("127.0.0.1", ""):
            taken = ports.prober(lambda _pid: False)(port, address)
            assert taken
            assert f"pid {os.getpid()}" in taken.why
        assert ports.prober(lambda pid: pid == os.getpid())(port, "127.0.0.1") is None
    assert ports.prober(lambda _pid: False)(port, "127.0.0.1") is None
