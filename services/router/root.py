"""The internal authority's root: made once, signed again with the same key before it ends, and never replaced behind anybody's back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.router.files import replace

_LIFE = timedelta(days=3653)
_AGAIN_BEFORE = timedelta(days=400)
"""More than a leaf lives: none outlives the root that is handed out."""
_SAID_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)

logger = structlog.get_logger()


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """What signs leaves. `problem` is empty, or says why it is a stand-in that nobody trusts, and what to do.

    `trusted` is the certificate that clients may hold; None where a stand-in has to do and the file cannot be read either.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    trusted: x509.Certificate | None
    problem: str = ""


class Files:
    """`root.crt` is what clients trust, `root.old.crt` what they were given before that was signed again."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "root.crt"
        self.key = folder / "root.key"
        self.old = folder / "root.old.crt"


def load(files: Files, instance: str) -> Root:
    """Load the root, make it where there is none, sign it again where it ends or cannot be read; a stand-in where its key is lost.

    Whoever trusts a root trusts what the same key signs under the same name: signing again costs nobody anything.
    """
    certificate, why = _certificate(files.certificate), ""
    try:
        key = _key(files.key)
        if certificate is not None and certificate.public_key() != key.public_key():
            raise ValueError("it is not the key of root.crt")  # noqa: TRY301 - said as any other
    except FileNotFoundError:
        if not files.certificate.exists():
            return _made(files, ec.generate_private_key(ec.SECP256R1()), instance)
        why = "it is not there"
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, apps are served
        why = str(error) or type(error).__name__
    else:
        if certificate is None:
            return _made(files, key, instance)
        return Root(certificate=certificate, key=key, trusted=certificate) if _holds(certificate) else _again(files, key, certificate)
    return _stand_in(certificate, instance, f"{files.key} is of no use: {why}")


def ends_soon(files: Files) -> str:
    """A sentence while the root that clients were given ends within a month, though a newer one is there; else nothing."""
    old = _certificate(files.old)
    now = datetime.now(UTC)
    if old is None or not now < old.not_valid_after_utc < now + _SAID_BEFORE:
        return ""
    return f"The root certificate of before ends on {old.not_valid_after_utc:%Y-%m-%d}: have clients trust {files.certificate}."


def _made(files: Files, key: ec.EllipticCurvePrivateKey, instance: str) -> Root:
    """The key is written first: a certificate without its key would be of no use."""
    certificate = _signed(key, subject(_named(instance)))
    replace(files.key, pem(key).decode())
    replace(files.certificate, _text(certificate))
    logger.info("certificate.root_made", ends=str(certificate.not_valid_after_utc))
    return Root(certificate=certificate, key=key, trusted=certificate)


def _again(files: Files, key: ec.EllipticCurvePrivateKey, before: x509.Certificate) -> Root:
    certificate = _signed(key, before.subject)
    try:
        replace(files.old, _text(before))
        replace(files.certificate, _text(certificate))
    except OSError as error:  # a full disk: there is a year for it
        logger.warning("certificate.root_not_signed_again", error=str(error))
        return Root(certificate=before, key=key, trusted=before)
    logger.info("certificate.root_signed_again", before=str(before.not_valid_after_utc), ends=str(certificate.not_valid_after_utc))
    return Root(certificate=certificate, key=key, trusted=certificate)


def _stand_in(trusted: x509.Certificate | None, instance: str, problem: str) -> Root:
    key = ec.generate_private_key(ec.SECP256R1())
    how = "Bring it back from a backup, or remove root.crt and root.key: then a new root is made, which clients have to trust anew."
    problem = f"{problem}. Certificates that hold are shown on; new hosts are shown one that nobody trusts. {how}"
    return Root(certificate=_signed(key, subject(f"{_named(instance)} (stand-in)")), key=key, trusted=trusted, problem=problem)


def _signed(key: ec.EllipticCurvePrivateKey, name: x509.Name) -> x509.Certificate:
    return (
        builder(name, name, key.public_key(), _LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError("it is not a key of an elliptic curve")
    return loaded


def _holds(root: x509.Certificate) -> bool:
    """One that was signed while the clock was ahead does not hold yet."""
    return root.not_valid_before_utc <= datetime.now(UTC) < root.not_valid_after_utc - _AGAIN_BEFORE


def _named(instance: str) -> str:
    return f"Dockup local CA {instance}"


def builder(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def usage(*, signs: bool) -> x509.KeyUsage:
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


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
