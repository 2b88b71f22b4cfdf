"""A DNS host with PowerDNS's API: what is written there, our name server answers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers.dns import DnsServer

TOKEN = "a token of tests"


class PowerDnsApi:
    """One zone, whatever it is called. `records` are the TXT records that are there now, `written` all that ever were."""

    def __init__(self, names: DnsServer) -> None:
        self.records: dict[str, list[str]] = {}
        self.written: list[str] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                rrsets = [
                    {"name": name, "type": "TXT", "ttl": 60, "records": [{"content": text, "disabled": False} for text in texts]}
                    for name, texts in api.records.items()
                ]
                self._answer(200, {"kind": "Native", "rrsets": rrsets})

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for each in body["rrsets"]:
                    texts = [record["content"] for record in each.get("records", [])] if each["changetype"] == "REPLACE" else []
                    api.records[each["name"]] = texts
                    api.written += [each["name"]] if texts else []
                    for text in texts:
                        names.prove(each["name"].rstrip("."), text.strip('"'))
                self._answer(204, None)

            def _answer(self, status: int, body: object) -> None:
                is_known = self.headers["X-API-Key"] == TOKEN
                self.send_response(status if is_known else 401)
                self.end_headers()
                if body is not None and is_known:
                    self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
