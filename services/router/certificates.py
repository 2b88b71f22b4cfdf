"""The internal authority: a root that a person trusts once, and a leaf for each host."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.router import root
from services.router.acme import leaf as pems
from services.router.files import Files

_LEAF_LIFE = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=30)

logger = structlog.get_logger()


class Authority:
    """Issues leaves. `names` gives a host further names (the API's own addresses) beside itself."""

    def __init__(self, files: Files, instance: str, names: dict[str, tuple[str, ...]]) -> None:
        self._files = files
        self._instance = instance
        self._names = names
        self._of_root = root.Files(files.authority)
        self._root = root.load(self._of_root, instance)
        if self._root.problem:
            logger.error("certificate.root_unusable", problem=self._root.problem)

    @property
    def problem(self) -> str:
        """Empty, or what is wrong with the root and what to do about it."""
        return self._root.problem or root.ends_soon(self._of_root)

    def look(self) -> bool:
        """Look at the root again; whether another key signs than before, as when somebody brought it back.

        What happened to the files of one that is at work does not matter before the next start.
        """
        before = self._root.key.public_key()
        found = root.load(self._of_root, self._instance)
        if not found.problem:
            self._root = found
        return self._root.key.public_key() != before

    def ensure(self, host: str) -> bool:
        """See to it that the host's PEM (leaf, key) is there and good for 30 days; True when it was made anew."""
        path = self._files.certificate(host)
        if path.is_file() and self._good(path):
            return False
        beside = path.with_name(f".{path.name}.new")
        beside.touch(mode=0o600)
        # No fsync: a leaf that is lost with the power is made anew at the next start.
        beside.write_bytes(self._issue(host))
        beside.replace(path)
        return True

    def _good(self, path: Path) -> bool:
        try:
            pem = path.read_bytes()
            leaf = x509.load_pem_x509_certificate(pem)
            if not _is_of(leaf, self._root):
                raise ValueError("it is of another root")  # noqa: TRY301 - said as any other
            pems.check(pem.decode())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, a new one mends it
            logger.warning("certificate.unusable", path=path.name, error=str(error) or type(error).__name__)
            return False
        # One that was made while the clock was ahead is not valid yet. What a lost key has signed is better than what nobody trusts.
        spare = timedelta() if self._root.problem else _RENEW_BEFORE
        return leaf.not_valid_before_utc <= datetime.now(UTC) < leaf.not_valid_after_utc - spare

    def _issue(self, host: str) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_name(name) for name in dict.fromkeys((host, *self._names.get(host, ())))]
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root.key.public_key())
        leaf = (
            root.builder(root.subject("Dockup"), self._root.certificate.subject, key.public_key(), _LEAF_LIFE)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(root.usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._root.key, hashes.SHA256())
        )
        return leaf.public_bytes(serialization.Encoding.PEM) + root.pem(key)


def _is_of(leaf: x509.Certificate, issuer: root.Root) -> bool:
    """Where what was trusted cannot be read it is not known, and what there is has to do."""
    for each in (issuer.trusted, issuer.certificate):
        try:
            if each is None:
                return True
            leaf.verify_directly_issued_by(each)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)
