"""A small GitHub on 127.0.0.1: OAuth with PKCE, and the few endpoints that Dockup uses, beside a real `git http-backend`.

Its webhooks are real: signed, and delivered over HTTP. It keeps what it is told, as its users would see it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx

from tests.servers.git import GitServer, Receive, Scope, Send, git

CLIENT_ID, CLIENT_SECRET = "Iv1.dockup", "client-secret-4711"
Json = dict[str, Any]
_API = "/api/v3"


class GitHubServer(GitServer):
    """`statuses`, `deployments`, `comments` and `hooks` are what it was told, by repository; `users` maps tokens to accounts.

    `broken` are status codes that the next calls of the REST API are answered with; `deliver_to` turns the address of a webhook into
    the one where its receiver really is.
    """

    def __init__(self, root: Path, *, account: str = "ada", expires_in: int | None = None) -> None:
        super().__init__(root)
        self.account, self.expires_in = account, expires_in
        self.repos: dict[str, Json] = {}
        self.hooks: dict[str, list[Json]] = {}
        self.statuses: list[Json] = []
        self.deployments: dict[int, Json] = {}
        self.comments: dict[int, Json] = {}
        self.tokens: dict[str, str] = {}
        self.refresh_tokens: set[str] = set()
        self.broken: list[int] = []
        self.calls: list[str] = []
        self.deliver_to: Callable[[str], str] = lambda url: url
        self._codes: dict[str, Json] = {}
        self._numbers = iter(range(1, 100_000))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_repo(self, name: str, files: dict[str, str | bytes], *, private: bool = False) -> str:
        """Make it with one commit on main; return the commit."""
        commit = self.make_repo(name, files)
        git(self.path(name), "config", "uploadpack.allowAnySHA1InWant", "true")
        self.repos[name] = {
            "full_name": name,
            "private": private,
            "default_branch": "main",
            "description": None,
            "html_url": f"{self.address}/{name}",
            "pushed_at": "2026-01-31T09:30:00Z",
        }
        self.hooks[name] = []
        return commit

    # ---- what users do there

    async def agree(self, authorize_url: str, client: httpx.AsyncClient) -> httpx.Response:
        """What a browser does: it opens the address, agrees, and is sent back."""
        sent = await client.get(authorize_url)
        assert sent.status_code == 302, sent.text
        return await client.get(self.deliver_to(sent.headers["location"]))

    async def push(self, name: str, files: dict[str, str | bytes], *, branch: str = "main", message: str = "A change") -> Json:
        """Commit, and deliver it to every webhook of the repository; what was delivered."""
        found = git(self.path(name), "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)
        after = self.commit(name, files, branch, message)
        payload = {
            "ref": f"refs/heads/{branch}",
            "before": found or "0" * 40,
            "after": after,
            "created": not found,
            "forced": False,
            "repository": self.repos[name],
            "head_commit": {"id": after, "message": message, "added": [], "removed": [], "modified": sorted(files)},
            "commits": [{"id": after, "message": message, "added": [], "removed": [], "modified": sorted(files)}],
            "sender": {"login": self.account},
        }
        return await self.deliver(name, "push", payload)

    async def pull_request(self, name: str, number: int, action: str, branch: str, *, head_repo: str | None = None) -> Json:
        head = git(self.path(name), "rev-parse", f"refs/heads/{branch}")
        git(self.path(name), "update-ref", f"refs/pull/{number}/head", head)
        payload = {
            "action": action,
            "number": number,
            "pull_request": {
                "title": f"Work on {branch}",
                "head": {"ref": branch, "sha": head, "repo": {"full_name": head_repo or name}},
                "base": {"ref": "main", "sha": head, "repo": self.repos[name]},
            },
            "repository": self.repos[name],
            "sender": {"login": self.account},
        }
        return await self.deliver(name, "pull_request", payload)

    async def deliver(self, name: str, event: str, payload: Json, *, delivery: str | None = None) -> Json:
        """Send it to the repository's webhooks; the answers, and the id under which it went."""
        delivery = delivery or f"{secrets.token_hex(4)}-{secrets.token_hex(8)}"
        answers = []
        async with httpx.AsyncClient(timeout=10, verify=False) as client:  # noqa: S501 - a throw-away certificate on this machine
            for hook in self.hooks[name]:
                if hook["active"] and event in hook["events"]:
                    url = self.deliver_to(hook["config"]["url"])
                    answers.append(await client.post(url, **signed(payload, hook["config"]["secret"], event, delivery)))
        return {"delivery": delivery, "payload": payload, "answers": answers, "commit": payload.get("after")}

    # ---- what programs see

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if ".git/" in scope["path"]:
            await self._git(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        self.calls.append(f"{scope['method']} {scope['path']}")
        status, answer, more_headers = self._answer(scope["method"], scope["path"], query, headers, body)
        content = b"" if answer is None else json.dumps(answer).encode()
        start = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), *more_headers]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": content})

    async def _git(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A private repository wants a token of somebody who is there."""
        name = scope["path"].lstrip("/").partition(".git/")[0]
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        given = base64.b64decode(headers.get("authorization", "").removeprefix("Basic ")).decode().partition(":")[2]
        if self.repos.get(name, {}).get("private") and given not in self.tokens:
            await send({"type": "http.response.start", "status": 401, "headers": [(b"www-authenticate", b'Basic realm="GitHub"')]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await super().app(scope, receive, send)

    def _answer(self, method: str, path: str, query: Json, headers: Json, body: bytes) -> tuple[int, Any, list[tuple[bytes, bytes]]]:
        if path == "/login/oauth/authorize":
            return self._authorize(query)
        if path == "/login/oauth/access_token":
            return 200, self._token({name: values[0] for name, values in parse_qs(body.decode()).items()}), []
        if path == f"{_API}/applications/{CLIENT_ID}/token":
            self.tokens.pop(json.loads(body)["access_token"], None)
            return 204, None, []
        if self.broken:
            return self.broken.pop(0), {"message": "broken for a while"}, []
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return 401, {"message": "Bad credentials"}, []
        status, answer = self._rest(method, path.removeprefix(_API), query, json.loads(body) if body else {})
        return status, answer, []

    def _authorize(self, query: Json) -> tuple[int, Any, list[tuple[bytes, bytes]]]:
        if query.get("client_id") != CLIENT_ID or query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return 400, {"message": "not how it is asked"}, []
        code = secrets.token_hex(10)
        self._codes[code] = query
        back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
        return 302, None, [(b"location", back.encode())]

    def _token(self, form: Json) -> Json:
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return {"error": "incorrect_client_credentials"}
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refresh_tokens:
                return {"error": "bad_refresh_token", "error_description": "The refresh token passed is incorrect or expired."}
            self.refresh_tokens.discard(form["refresh_token"])
            return self._issue()
        begun = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if begun is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != begun["code_challenge"]:
            return {"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
        return self._issue()

    def _issue(self) -> Json:
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens[token] = self.account
        issued: Json = {"access_token": token, "token_type": "bearer", "scope": "repo,read:user"}
        if self.expires_in is not None:
            refresh = f"ghr_{secrets.token_hex(18)}"
            self.refresh_tokens.add(refresh)
            issued |= {"expires_in": self.expires_in, "refresh_token": refresh}
        return issued

    def _rest(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        if path == "/user":
            return 200, {"login": self.account}
        if path == "/user/repos":
            size, number = int(query["per_page"]), int(query["page"])
            return 200, sorted(self.repos.values(), key=lambda repo: repo["full_name"])[(number - 1) * size : number * size]
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)/(hooks|statuses|deployments|issues)(?:/(.*))?", path)
        if found is None or found[1] not in self.repos:
            return 404, {"message": "Not Found"}
        return getattr(self, f"_{found[2]}")(method, found[1], found[3] or "", body)  # type: ignore[no-any-return]

    def _hooks(self, method: str, repo: str, rest: str, body: Json) -> tuple[int, Any]:
        hooks = self.hooks[repo]
        if method == "GET":
            return 200, [{**hook, "config": {**hook["config"], "secret": "********"}} for hook in hooks]
        if method == "POST":
            hooks.append({"id": next(self._numbers), **body})
            return 201, hooks[-1]
        hook = next((hook for hook in hooks if str(hook["id"]) == rest), None)
        if hook is None:
            return 404, {"message": "Not Found"}
        if method == "DELETE":
            hooks.remove(hook)
            return 204, None
        hook.update(body)
        return 200, hook

    def _statuses(self, method: str, repo: str, rest: str, body: Json) -> tuple[int, Any]:
        assert method == "POST"
        self.statuses.append({"repo": repo, "sha": rest, **body})
        return 201, {"id": next(self._numbers)}

    def _deployments(self, method: str, repo: str, rest: str, body: Json) -> tuple[int, Any]:
        assert method == "POST"
        if rest:
            self.deployments[int(rest.partition("/")[0])]["statuses"].append(body)
            return 201, {"id": next(self._numbers)}
        number = next(self._numbers)
        self.deployments[number] = {"repo": repo, **body, "statuses": []}
        return 201, {"id": number}

    def _issues(self, method: str, repo: str, rest: str, body: Json) -> tuple[int, Any]:
        if method == "PATCH":
            self.comments[int(rest.removeprefix("comments/"))]["body"] = body["body"]
            return 200, {"id": int(rest.removeprefix("comments/"))}
        number = next(self._numbers)
        self.comments[number] = {"repo": repo, "issue": int(rest.partition("/")[0]), **body}
        return 201, {"id": number}

    def states(self, commit: str) -> list[str]:
        """The states that a commit was given, in order."""
        return [status["state"] for status in self.statuses if status["sha"] == commit]


def signed(payload: Json, secret: str, event: str, delivery: str) -> Json:
    """The body and headers of a delivery, for httpx."""
    body = json.dumps(payload).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return {"content": body, "headers": headers}


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, seconds: float = 30) -> None:
    """Look until it is so; an assertion with `what` when it never is."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(what)
