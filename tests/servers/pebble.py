"""An ACME authority: Let's Encrypt's test server, which validates for real, by names that our own name server tells it."""

import json
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.dns import DnsServer
from tests.servers.ports import free_ports
from tests.servers.process import Process


class PebbleServer:
    """`directory` is where to ask, `ca_file` whom to trust for that. What it issues lives `life` seconds; `blocked` names are refused."""

    def __init__(self, folder: Path, names: DnsServer, http_port: int, *, life: int = 3600, blocked: Sequence[str] = ()) -> None:
        port, self._management, tls_port = free_ports(3)
        self.directory = f"https://127.0.0.1:{port}/dir"
        self.ca_file = folder / "pebble.pem"
        _write_certificate(self.ca_file, folder / "pebble.key")
        config = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.ca_file),
            "privateKey": str(folder / "pebble.key"),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "certificateValidityPeriod": life,
            "domainBlocklist": list(blocked),
        }
        path = folder / "pebble.json"
        path.write_text(json.dumps({"pebble": config}), encoding="utf-8")
        command = ["env", "PEBBLE_VA_NOSLEEP=1", "pebble", "-config", str(path), "-dnsserver", names.address]
        self._process = Process(command, folder / "pebble.log")

    def start(self) -> None:
        self._process.start(self._answers)

    def stop(self) -> None:
        self._process.kill()

    def trust(self) -> ssl.SSLContext:
        """Trusts what it issues, and nothing else."""
        root = httpx.get(f"https://127.0.0.1:{self._management}/roots/0", verify=ssl.create_default_context(cafile=str(self.ca_file)))
        return ssl.create_default_context(cadata=root.text)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.directory, verify=ssl.create_default_context(cafile=str(self.ca_file))).is_success
        except httpx.TransportError:
            return False


def _write_certificate(path: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an ACME authority of tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
