"""The internal authority: a root that a person trusts once, and a leaf for each host."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.router.files import Files, replace

_ROOT_LIFE = timedelta(days=3653)
_LEAF_LIFE = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)

logger = structlog.get_logger()


class Authority:
    """Issues leaves. `names` gives a host further names (the API's own addresses) beside itself."""

    def __init__(self, files: Files, instance: str, names: dict[str, tuple[str, ...]]) -> None:
        self._files = files
        self._names = names
        self._certificate, self._key = _root(files.authority / "root.crt", files.authority / "root.key", instance)

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
            leaf = x509.load_pem_x509_certificate(path.read_bytes())
            leaf.verify_directly_issued_by(self._certificate)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, a new one mends it
            logger.warning("certificate.unusable", path=path.name, error=str(error) or type(error).__name__)
            return False
        return leaf.not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE

    def _issue(self, host: str) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_name(name) for name in dict.fromkeys((host, *self._names.get(host, ())))]
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        leaf = (
            _builder("Dockup", self._certificate.subject, key.public_key(), _LEAF_LIFE)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return leaf.public_bytes(serialization.Encoding.PEM) + _pem(key)


def _root(certificate: Path, key_file: Path, instance: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Load the root, or make it once. The key is written first: a certificate without its key would be of no use."""
    if certificate.is_file() and key_file.is_file():
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if isinstance(loaded, ec.EllipticCurvePrivateKey):
            return x509.load_pem_x509_certificate(certificate.read_bytes()), loaded
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(f"Dockup local CA {instance}")
    root = (
        _builder(f"Dockup local CA {instance}", name, key.public_key(), _ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    replace(key_file, _pem(key).decode())
    replace(certificate, root.public_bytes(serialization.Encoding.PEM).decode())
    return root, key


def _builder(common_name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(common_name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
