"""Which certificate a host is shown: the operator's own, else an issued one, else one of the internal CA, so that TLS always works."""

from collections.abc import Callable, Sequence

from services.router.certificates import Authority
from services.router.files import Files, replace

Source = Callable[[str], str | None]
"""Host → key and chain as one PEM without blank lines, or None."""


class Shown:
    """The files that HAProxy reads. The first of `sources` that has something for a host wins."""

    def __init__(self, files: Files, authority: Authority, sources: Sequence[Source] = ()) -> None:
        self._files = files
        self._authority = authority
        self._sources = sources

    @property
    def problem(self) -> str:
        return self._authority.problem

    def look(self) -> bool:
        """Whether another root signs than before."""
        return self._authority.look()

    def ensure(self, host: str) -> bool:
        """See to it that the host's PEM is the one to show; True when it was another, or none, before."""
        pem = next((found for source in self._sources if (found := source(host)) is not None), None)
        if pem is None:
            return self._authority.ensure(host)
        path = self._files.certificate(host)
        if path.is_file() and path.read_text(encoding="utf-8") == pem:
            return False
        replace(path, pem)
        return True
