"""An engine that is upgraded under a running Dockup: only its answers about versions are made up here, for there is one engine."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from libs.common.engine.connect import Engine
from libs.common.engine.errors import Refused


class Versions:
    """Answers as an engine does that speaks `version` of its API and no other."""

    def __init__(self) -> None:
        self.version = "1.41"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"
        with contextlib.suppress(asyncio.IncompleteReadError):
            while asked := await reader.readuntil(b"\r\n\r\n"):
                status, body = self._say(asked.split()[1].decode())
                writer.write(head.format(status, len(body), body).encode())
        writer.close()

    def _say(self, path: str) -> tuple[int, str]:
        if path == "/version":
            return 200, f'{{"ApiVersion": "{self.version}"}}'
        if not path.startswith(f"/v{self.version}/"):
            word = "old" if path < f"/v{self.version}" else "new"
            return 400, f'{{"message": "client version {path[2:6]} is too {word}. Minimum supported API version is {self.version}"}}'
        return (200, "OK") if path.endswith("/_ping") else (400, '{"message": "a bad request"}')


async def test_an_engine_that_was_upgraded_is_spoken_to_in_its_version(tmp_path: Path) -> None:
    versions = Versions()
    server = await asyncio.start_unix_server(versions.answer, str(tmp_path / "sock"))
    engine = await Engine.open(f"unix://{tmp_path}/sock")
    for version in ("1.41", "1.44", "1.40"):
        versions.version = version
        await engine.ping()
        assert (engine.api.api_version, engine.long.api_version) == (version, version)
    with pytest.raises(Refused, match="a bad request"):
        await engine.call(engine.api.info)
    engine.close()
    server.close()
