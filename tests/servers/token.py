"""Where a registry sends its clients for a token: Basic in, a signed JWT out, as the Docker registry's token specification has it."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

SERVICE, ISSUER = "test-registry", "test-issuer"


class TokenServer:
    """`config` is the registry's `auth`. Who asks with `user` and `password` may do what they ask for."""

    def __init__(self, folder: Path, user: str, password: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certificate(self._key)
        bundle = folder / "token.pem"
        bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self._expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                """Nothing on the terminal."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        realm = f"http://127.0.0.1:{self._http.server_address[1]}/token"
        self.config = {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(bundle)}}

    def start(self) -> None:
        Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(request.path).query)
        self.asked += query.get("scope", [""])
        is_known = request.headers.get("Authorization") == self._expected
        body = json.dumps({"token": self._token(query.get("scope", [])), "expires_in": 300} if is_known else {"details": "no"}).encode()
        request.send_response(200 if is_known else 401)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _token(self, scopes: list[str]) -> str:
        access = [
            {"type": kind, "name": name, "actions": actions.split(",")} for kind, name, actions in (text.split(":", 2) for text in scopes)
        ]
        now = int(time.time())
        chain = [base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()]
        claims = {"iss": ISSUER, "sub": "somebody", "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now, "jti": str(now)}
        signed = f"{_part({'typ': 'JWT', 'alg': 'ES256', 'x5c': chain})}.{_part({**claims, 'access': access})}"
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
