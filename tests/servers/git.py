"""A git host on 127.0.0.1: the real `git http-backend` behind uvicorn, with or without a login."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

from tests.servers.process import STOP_SECONDS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
USER, PASSWORD = "somebody", "git-pass-4711"

_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


class GitServer:
    """Repositories under `root`, served at `url(name)` once `start()` was called. With `login` it wants (user, password).

    `redirects` maps a repository's name to an address that is answered with 302 instead; `asked` are the paths that came. `large` are
    files of Git LFS by their number, fetched from `large_at`, which is this server unless a test says otherwise.
    """

    def __init__(self, root: Path, *, login: tuple[str, str] | None = None) -> None:
        self.root = root
        self.login = login
        self.redirects: dict[str, str] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.large_at = ""
        self.port = int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(uvicorn.Config(self.app, interface="asgi3", log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        root.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        # Whoever comes from now on is kept waiting until uvicorn is there.
        self._socket.listen(64)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve([self._socket]))

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}.git"

    def path(self, name: str) -> Path:
        return self.root / f"{name}.git"

    def make_repo(self, name: str, files: Mapping[str, str | bytes], branch: str = "main") -> str:
        """Make it with one commit on `branch`, which becomes its default, and return the commit's number."""
        bare = self.path(name)
        bare.parent.mkdir(parents=True, exist_ok=True)
        git(self.root, "init", "--quiet", "--bare", f"--initial-branch={branch}", str(bare))
        return self.commit(name, files, branch)

    def commit(self, name: str, files: Mapping[str, str | bytes], branch: str = "main", message: str = "A change\n\nand why") -> str:
        """Add one commit that replaces or adds `files`; a text that begins with `-> ` becomes a link to the rest of it."""
        bare = self.path(name)
        index = {"GIT_INDEX_FILE": str(bare / f"index.{threading.get_ident()}")}
        parent = git(bare, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)
        git(bare, "read-tree", *([parent] if parent else ["--empty"]), env=index)
        for path, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            mode, raw = ("120000", raw[3:]) if raw.startswith(b"-> ") else ("100755" if raw.startswith(b"#!") else "100644", raw)
            blob = git(bare, "hash-object", "-w", "--stdin", stdin=raw)
            git(bare, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", env=index)
        tree = git(bare, "write-tree", env=index)
        made = git(bare, "commit-tree", tree, *(["-p", parent] if parent else []), "-m", message)
        git(bare, "update-ref", f"refs/heads/{branch}", made)
        return made

    def link(self, name: str, path: str, commit: str, branch: str = "main") -> str:
        """Add one commit in which the folder `path` stands for a commit of another repository."""
        bare = self.path(name)
        index = {"GIT_INDEX_FILE": str(bare / "index.link")}
        parent = git(bare, "rev-parse", f"refs/heads/{branch}")
        git(bare, "read-tree", parent, env=index)
        git(bare, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", env=index)
        made = git(bare, "commit-tree", git(bare, "write-tree", env=index), "-p", parent, "-m", "A submodule")
        git(bare, "update-ref", f"refs/heads/{branch}", made)
        return made

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application; whoever puts more beside it calls it for the paths that are repositories'."""
        assert scope["type"] == "http"
        self.asked.append(scope["path"])
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        name = scope["path"].lstrip("/").partition(".git")[0]
        query = scope["query_string"].decode()
        if name in self.redirects:
            rest = scope["path"].partition(".git")[2]
            await _answer(send, 302, [(b"location", f"{self.redirects[name]}{rest}?{query}".encode())], b"")
        elif self.login and headers.get("authorization") != _basic(*self.login):
            await _answer(send, 401, [(b"www-authenticate", b'Basic realm="git"')], b"who are you?")
        elif scope["path"].endswith("/info/lfs/objects/batch"):
            await self._batch(receive, send)
        elif scope["path"].startswith("/large.git/"):
            await _answer(send, 200, [], self.large[scope["path"].rpartition("/")[2]])
        else:
            await self._backend(scope, headers, query, receive, send)

    def make_large(self, content: bytes) -> str:
        """Keep a file of Git LFS, and return its pointer."""
        oid = hashlib.sha256(content).hexdigest()
        self.large[oid] = content
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"

    async def _batch(self, receive: Receive, send: Send) -> None:
        wanted = json.loads((await receive())["body"])
        header = {"Authorization": _basic(*self.login)} if self.login else {}
        base = self.large_at or f"http://127.0.0.1:{self.port}/large.git"
        objects = [
            {**each, "actions": {"download": {"href": f"{base}/{each['oid']}?x=1", "header": header}}}
            for each in wanted["objects"]
            if each["oid"] in self.large
        ]
        await _answer(send, 200, [(b"content-type", b"application/vnd.git-lfs+json")], json.dumps({"objects": objects}).encode())

    async def _backend(self, scope: Scope, headers: Mapping[str, str], query: str, receive: Receive, send: Send) -> None:
        env = {
            **_ENV,
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REQUEST_METHOD": scope["method"],
            "PATH_INFO": scope["path"],
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "REMOTE_USER": USER,
        }
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", env={**env, "CONTENT_LENGTH": str(len(body))}, stdin=-1, stdout=-1, stderr=-3
        )
        out, _ = await process.communicate(body)
        head, _, content = out.partition(b"\r\n\r\n")
        found = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n") if b": " in line]
        status = next((int(value.split()[0]) for name, value in found if name == b"Status"), 200)
        with contextlib.suppress(OSError):
            await _answer(send, status, [(name.lower(), value) for name, value in found if name != b"Status"], content)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def git(folder: Path, *words: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None, check: bool = True) -> str:
    """Call git in a folder, without anybody's configuration; what it printed."""
    environ = {**_ENV, "PATH": os.environ["PATH"], **(env or {})}
    ended = subprocess.run(["git", *words], cwd=folder, env=environ, input=stdin, check=check, capture_output=True)
    return ended.stdout.decode().strip()
