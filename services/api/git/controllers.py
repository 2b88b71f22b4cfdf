"""Routes of connections to git hosts."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get
from litestar.datastructures import Cookie
from litestar.params import Parameter, QueryParameter

from libs.common import clock
from services.api.git import connections, oauth, repos
from services.api.git.schemas import Authorize, Connection, ConnectionPage, RepoPage
from services.api.http.given import InPath, TheCore, ThePrincipal
from services.api.http.guards import scope
from services.api.http.principal import Principal
from services.api.http.problems import Problem
from services.api.http.strict import Cursor, Limit

_COOKIE = "dockup_git"
_PATH = "/api/v1/git/callback"
Code = Annotated[str | None, Parameter(max_length=2000, description="What GitHub gives for one use.")]
State = Annotated[str | None, QueryParameter(name="state", max_length=200, description="What GitHub was given: it says who asked.")]
Said = Annotated[str | None, Parameter(max_length=2000, description="What GitHub says when the user does not agree.")]
Search = Annotated[str | None, Parameter(max_length=100, description="A part of the repository's name.")]


class GitController(Controller):
    path = "/git"
    tags = ("Git",)

    @get("/authorize/github", guards=[scope("write")])
    async def authorize_github(self, *, core: TheCore, principal: ThePrincipal) -> Response[Authorize]:
        """Begin to connect your GitHub account: open the address that this gives."""
        _need_unbound(principal)
        url, browser = await oauth.begin(core, principal, in_browser=principal.session_id is not None)
        answer = Authorize(authorize_url=url, expires_at=clock.rfc3339(datetime.now(UTC) + timedelta(seconds=oauth.KEPT_SECONDS)))
        is_secure = core.settings.tls != "off"
        cookies = (
            [Cookie(key=_COOKIE, value=browser, path=_PATH, httponly=True, secure=is_secure, samesite="lax", max_age=oauth.KEPT_SECONDS)]
            if browser
            else []
        )
        return Response(answer, cookies=cookies)

    @get("/callback/github")
    async def callback_github(
        self,
        *,
        request: Request[Any, Any, Any],
        core: TheCore,
        code: Code = None,
        oauth_state: State = None,
        error: Said = None,
        error_description: Said = None,
        error_uri: Said = None,
        iss: Said = None,
    ) -> Response[Connection]:
        """Where GitHub sends the browser back to; the state says who asked. Browsers are sent on to the pages."""
        del error_uri, iss
        in_browser = "text/html" in request.headers.get("accept", "")
        try:
            row = await oauth.finish(core, code, oauth_state, error_description or error, request.cookies.get(_COOKIE))
        except Problem as problem:
            if not in_browser:
                raise
            return _sent_on(problem.code)
        return _sent_on("connected") if in_browser else Response(connections.to_view(row))

    @get("/connections", guards=[scope("read")])
    async def list_git_connections(self, *, core: TheCore, principal: ThePrincipal) -> ConnectionPage:
        """The accounts that you connected."""
        async with core.db.read() as session:
            return ConnectionPage(items=await connections.mine(session, principal))

    @delete("/connections/{connection_id:str}", guards=[scope("write")])
    async def delete_git_connection(self, *, core: TheCore, principal: ThePrincipal, connection_id: InPath) -> None:
        """Revoke the token at the host and forget it. Webhooks stay, so public repositories are deployed as before."""
        _need_unbound(principal)
        is_gone = False
        while not is_gone:
            async with core.db.read() as session:
                row = await connections.find(session, principal, connection_id)
            await repos.revoke(core, row)
            async with core.db.begin() as tx:
                is_gone = await connections.forget(tx, row)

    @get("/repos", guards=[scope("read")])
    async def list_git_repos(
        self, *, core: TheCore, principal: ThePrincipal, search: Search = None, limit: Limit = 50, cursor: Cursor = None
    ) -> RepoPage:
        """The repositories that your GitHub account sees, the last pushed first."""
        _need_unbound(principal)
        return await repos.page(core, principal, search, limit, cursor)


def _sent_on(outcome: str) -> Response[Any]:
    """To the pages, which say what came of it: `connected`, or an error's code."""
    return Response(None, status_code=303, headers={"Location": f"/?git={outcome}"})


def _need_unbound(principal: Principal) -> None:
    """A key of one project has no business with what its owner has elsewhere."""
    if principal.project_id is not None:
        raise Problem("forbidden", "A key that is bound to a project does not reach your account at GitHub.")
