"""Keys, requests and certificates as PEM."""

import os
import ssl
from datetime import datetime

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """What the first certificate of a PEM says. `names` are its DNS names."""

    names: tuple[str, ...]
    serial: str
    issuer: str
    begins: datetime
    ends: datetime

    def holds(self, now: datetime) -> bool:
        return self.begins <= now < self.ends

    def covers(self, host: str) -> bool:
        """By name, or by a wildcard for its first label."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names


def new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def request_for(names: tuple[str, ...], key: bytes) -> bytes:
    """A certificate signing request."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    loaded = serialization.load_pem_private_key(key, password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError("the keys of certificates are of an elliptic curve")
    return builder.sign(loaded, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read(pem: bytes) -> Leaf:
    """`ValueError` for what holds no certificate."""
    leaf = x509.load_pem_x509_certificate(pem)
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    return Leaf(
        names=tuple(name.lower() for name in names),
        serial=f"{leaf.serial_number:x}",
        issuer=_issuer(leaf),
        begins=leaf.not_valid_before_utc,
        ends=leaf.not_valid_after_utc,
    )


def check(pem: str) -> None:
    """`ValueError` for what no TLS server takes: no key, another's, an encrypted or a weak one. No proxy starts beside it."""
    descriptor = os.memfd_create("pem")
    try:
        with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.write(pem)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")
    except ssl.SSLError as error:
        raise ValueError(f"no TLS server would take it: {error.reason or error}") from error
    finally:
        os.close(descriptor)


def joined(*parts: str) -> str:
    """One PEM without a blank line: HAProxy's socket ends a payload there."""
    return "\n".join(line for part in parts for line in part.splitlines() if line.strip()) + "\n"


def _issuer(leaf: x509.Certificate) -> str:
    found = [
        str(entry.value) for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME) for entry in leaf.issuer.get_attributes_for_oid(kind)
    ]
    return " ".join(found)
