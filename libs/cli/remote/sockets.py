"""WebSockets of the API: opened with the token in a header, refused as any other call is."""

import contextlib
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from libs.cli.remote.errors import Unreachable
from libs.cli.remote.target import Target
from libs.cli.remote.wire import ENDED, UNKNOWN, mistrusted, refused, trust

_OPEN_SECONDS = 30.0
_CLOSE_SECONDS = 2.0
_TRIES, _PAUSE = 5, 0.2
_UNHEARD = (ConnectionClosed, *ENDED)
"""The connection ended before the request was whole."""


@contextlib.contextmanager
def opened(target: Target, path: str, *, is_harmless: bool, **query: object) -> Iterator[ClientConnection]:
    """`Refused`, or `Unreachable`. A query of None is left out. `is_harmless`: nothing is done twice when it is asked twice."""
    given = {name: value for name, value in query.items() if value is not None}
    url = f"{target.url.replace('http', 'ws', 1)}/api/v1{path}?{urlencode(given)}"
    with _connect(target, url, is_harmless=is_harmless) as socket:
        yield socket


def _connect(target: Target, url: str, *, is_harmless: bool) -> ClientConnection:
    """Tried again where the connection ended before the request was whole, as of a proxy that takes up a new configuration."""
    for attempt in range(1, _TRIES + 1):
        try:
            return _shake_hands(target, url)
        except _UNHEARD as error:
            if attempt == _TRIES:
                raise _silent(target, error) from error
        except InvalidMessage as error:
            if attempt == _TRIES or not is_harmless:
                raise _silent(target, error, "" if is_harmless else UNKNOWN) from error
        time.sleep(_PAUSE)
    raise AssertionError


def _shake_hands(target: Target, url: str) -> ClientConnection:
    try:
        return connect(
            url,
            ssl=trust(target) if url.startswith("wss") else None,
            additional_headers={"Authorization": f"Bearer {target.token}"},
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            max_size=None,
            compression=None,
            proxy=None,
        )
    except InvalidStatus as error:
        raise refused(target.url, error.response.status_code, error.response.body or b"") from error
    except ssl.SSLCertVerificationError as error:
        raise mistrusted(target.url, error) from error
    except (*_UNHEARD, InvalidMessage):
        raise
    except (OSError, InvalidHandshake) as error:
        raise _silent(target, error) from error


def _silent(target: Target, error: Exception, hint: str = "") -> Unreachable:
    return Unreachable("Dockup does not answer", f"{target.url}: {error}.", hint or "See: dockup status")
