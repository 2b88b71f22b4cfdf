"""HTTP/1.1 on the API's own port: what cannot be read as such is answered as everything else is, with a problem."""

from typing import cast

import msgspec
from litestar import Litestar
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs.common import ids
from services.api.http.answers import PROBLEM_JSON
from services.api.http.problems import Problem


class Protocol(HttpToolsProtocol):
    """uvicorn's, but for its words of `400`: a request line of more than 64 KB, or a header that is none."""

    def send_400_response(self, msg: str) -> None:
        problem, request_id = Problem("bad_request", msg), ids.new("req")
        body = msgspec.json.encode(problem.body(cast("Litestar", self.config.app).state.base_url, request_id))
        head = {
            "content-type": PROBLEM_JSON,
            "content-length": str(len(body)),
            "connection": "close",
            "x-request-id": request_id,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.transport.write(STATUS_LINE[problem.status] + lines.encode("ascii") + b"\r\n" + body)
        self.transport.close()
