"""The base domain's zone, at whichever DNS host it is: TXT records for DNS-01, through certbot's companion dns-lexicon."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from lexicon.client import Client
from lexicon.config import ConfigResolver

from libs.common.secrets import mask

_SNAPSHOT_ALONE = {"TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS": "", "TLDEXTRACT_CACHE_PATH": ""}
"""lexicon finds the zone by the list of public suffixes that it came with; fetching another would wait for the network."""

# What lexicon leaves under the old names of its modules warns everybody who looks through all modules, as inspect and hypothesis do.
for _name in ("lexicon.cli", "lexicon.discovery", "lexicon.parser"):
    sys.modules.pop(_name, None)

logger = structlog.get_logger()


class Zone:
    """`provider` is lexicon's name of the host, `options` what it asks for (`auth_token` …); `delegated` among them names the zone.

    `seconds` is how long the host takes until all its name servers answer with a new record. It blocks.
    """

    def __init__(self, domain: str, provider: str, options: Mapping[str, str], seconds: float) -> None:
        self._seconds = seconds
        self._secrets = tuple(options.values())
        own = {name: text for name, text in options.items() if name != "delegated"}
        general = {"delegated": options["delegated"]} if "delegated" in options else {}
        self._config = {"provider_name": provider, "domain": domain, provider: own, **general}

    @contextlib.contextmanager
    def record(self, name: str, value: str) -> Iterator[None]:
        """The TXT record is there inside of the block. Raises whatever the host's client raises."""
        with self._client() as operations:
            operations.create_record(rtype="TXT", name=name, content=value)
        try:
            time.sleep(self._seconds)
            yield
        finally:
            self._remove(name, value)

    def words(self, error: Exception) -> str:
        """What went wrong. Clients of DNS hosts quote addresses, and some hosts take the token in there."""
        return mask(str(error), self._secrets) or type(error).__name__

    def _remove(self, name: str, value: str) -> None:
        """A record that stays does no harm; what was proven by it must not be lost for it."""
        try:
            with self._client() as operations:
                operations.delete_record(rtype="TXT", name=name, content=value)
        except Exception as error:  # noqa: BLE001 - the client of a DNS host raises what it likes
            logger.warning("acme.record_stays", name=name, error=self.words(error))

    def _client(self) -> Client:
        os.environ.update(_SNAPSHOT_ALONE)
        resolver: Any = ConfigResolver  # the library does not say what it returns
        return Client(resolver().with_dict(self._config))
