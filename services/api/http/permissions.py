"""Who may call what: one entry an operation. The guards, `docs/permissions.md` and the test that walks every role read it here.

A route without an entry asks for no token, and the test fails.
"""

from enum import StrEnum

import msgspec

from services.api.http.principal import including


class Where(StrEnum):
    """What an operation is about, which decides whose it is."""

    PUBLIC = "anyone"
    OWN = "the caller's own"
    PROJECT = "a project"
    SERVER = "the whole server"


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """`scope` is the least that the token needs (empty: no token). `owner`: the project's owner or an admin alone.

    `by_bound_key`: whether a key that is bound to one project may do it at all.
    """

    where: Where
    scope: str = ""
    owner: bool = False
    by_bound_key: bool = True

    @property
    def role(self) -> str:
        """The least role in the project; empty where there is no project to have one in."""
        if self.where is not Where.PROJECT:
            return ""
        return "owner" if self.owner else _ROLE_OF_SCOPE[self.scope]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """`scopes` of the token, None without one; `role` in the project at hand, None for a stranger to it.

    `is_admin`: the user's role on the server. `bound`: the token is a key of one project; `here`: and that is the project at hand.
    """

    scopes: frozenset[str] | None
    role: str | None = None
    is_admin: bool = False
    bound: bool = False
    here: bool = True


_ROLE_OF_SCOPE = {"read": "viewer", "deploy": "deployer", "write": "maintainer"}
_RANK = ("viewer", "deployer", "maintainer", "owner")
ALLOWED, UNKNOWN, FORBIDDEN, HIDDEN = 200, 401, 403, 404


def verdict(permission: Permission, actor: Actor) -> int:
    """`ALLOWED`, or the status of the refusal."""
    if permission.where is Where.PUBLIC:
        return ALLOWED
    if actor.scopes is None:
        return UNKNOWN
    scopes = including(actor.scopes)
    if permission.scope not in scopes:
        return FORBIDDEN
    if permission.where is Where.PROJECT:
        return _in_project(permission, actor, sees_all=actor.is_admin and "admin" in scopes)
    may = permission.by_bound_key or not actor.bound
    return ALLOWED if may and (permission.where is Where.OWN or actor.is_admin) else FORBIDDEN


def _in_project(permission: Permission, actor: Actor, *, sees_all: bool) -> int:
    if actor.bound and not actor.here:
        return HIDDEN
    if sees_all:
        return ALLOWED
    if actor.role is None:
        return HIDDEN
    return ALLOWED if _RANK.index(actor.role) >= _RANK.index(permission.role) else FORBIDDEN


_ANYONE = Permission(where=Where.PUBLIC)
_OWN_READ = Permission(where=Where.OWN, scope="read")
_OWN_READ_UNBOUND = Permission(where=Where.OWN, scope="read", by_bound_key=False)
_OWN_WRITE = Permission(where=Where.OWN, scope="write")
_OWN_UNBOUND = Permission(where=Where.OWN, scope="write", by_bound_key=False)
_VIEW = Permission(where=Where.PROJECT, scope="read")
_DEPLOY = Permission(where=Where.PROJECT, scope="deploy")
_WRITE = Permission(where=Where.PROJECT, scope="write")
_OWNER = Permission(where=Where.PROJECT, scope="write", owner=True)
_SERVER = Permission(where=Where.SERVER, scope="admin", by_bound_key=False)

PERMISSIONS: dict[str, Permission] = {
    "getStatus": _ANYONE,
    "listErrors": _ANYONE,
    "getError": _ANYONE,
    "logIn": _ANYONE,
    "register": _ANYONE,
    "getMe": _OWN_READ,
    "logOut": _OWN_READ,
    "changePassword": _OWN_WRITE,
    "listSessions": _OWN_READ,
    "endSession": _OWN_WRITE,
    "getCodexKey": _OWN_READ,
    "setCodexKey": _OWN_UNBOUND,
    "deleteCodexKey": _OWN_UNBOUND,
    "listApiKeys": _OWN_READ,
    "createApiKey": _OWN_WRITE,
    "getApiKey": _OWN_READ,
    "deleteApiKey": _OWN_WRITE,
    "listRegistries": _OWN_READ,
    "createRegistry": _OWN_UNBOUND,
    "getRegistry": _OWN_READ,
    "updateRegistry": _OWN_WRITE,
    "deleteRegistry": _OWN_WRITE,
    "checkRegistry": _OWN_WRITE,
    "listProjects": _OWN_READ,
    "createProject": _OWN_UNBOUND,
    "listApps": _OWN_READ,
    "listEvents": _OWN_READ,
    "listAudit": _OWN_WRITE,
    "authorizeGithub": _OWN_UNBOUND,
    "callbackGithub": _ANYONE,
    "listGitConnections": _OWN_READ,
    "deleteGitConnection": _OWN_UNBOUND,
    "listGitRepos": _OWN_READ_UNBOUND,
    "receiveGithub": _ANYONE,
    "receiveForApp": _ANYONE,
    "getProject": _VIEW,
    "updateProject": _WRITE,
    "deleteProject": _OWNER,
    "listMembers": _VIEW,
    "setMember": _OWNER,
    "removeMember": _OWNER,
    "listProjectApps": _VIEW,
    "createApp": _WRITE,
    "getApp": _VIEW,
    "updateApp": _WRITE,
    "deleteApp": _WRITE,
    "deployApp": _DEPLOY,
    "deployBySlug": _DEPLOY,
    "listDeployments": _VIEW,
    "getDeployment": _VIEW,
    "getDeploymentLogs": _VIEW,
    "streamDeploymentLogs": _VIEW,
    "getDeploymentDockerfile": _VIEW,
    "startApp": _DEPLOY,
    "stopApp": _DEPLOY,
    "restartApp": _DEPLOY,
    "pauseApp": _DEPLOY,
    "unpauseApp": _DEPLOY,
    "cancelDeployment": _DEPLOY,
    "rollBackApp": _DEPLOY,
    "uploadImage": _DEPLOY,
    "getAppLogs": _VIEW,
    "streamAppLogs": _VIEW,
    "execApp": _WRITE,
    "codeApp": _WRITE,
    "getAppStats": _VIEW,
    "getAppStatsHistory": _VIEW,
    "getAppMetrics": _VIEW,
    "listAppEvents": _VIEW,
    "getAutoscale": _VIEW,
    "updateAutoscale": _DEPLOY,
    "getEnv": _VIEW,
    "setEnv": _WRITE,
    "importEnv": _WRITE,
    "getSharedEnv": _VIEW,
    "setSharedEnv": _WRITE,
    "listDomains": _VIEW,
    "addDomain": _WRITE,
    "getDomain": _VIEW,
    "checkDomain": _WRITE,
    "deleteDomain": _WRITE,
    "listVolumes": _VIEW,
    "createVolume": _WRITE,
    "getVolume": _VIEW,
    "updateVolume": _WRITE,
    "deleteVolume": _WRITE,
    "deleteVolumeByName": _WRITE,
    "getVolumeArchive": _WRITE,
    "restoreVolume": _WRITE,
    "listVolumeBackups": _VIEW,
    "backUpVolume": _WRITE,
    "restoreVolumeBackup": _WRITE,
    "deleteVolumeBackup": _WRITE,
    "listProjectVolumes": _VIEW,
    "purgeProjectVolume": _WRITE,
    "listRuns": _VIEW,
    "createRun": _WRITE,
    "getRun": _VIEW,
    "getRunLogs": _VIEW,
    "cancelRun": _WRITE,
    "listJobs": _VIEW,
    "createJob": _WRITE,
    "getJob": _VIEW,
    "updateJob": _WRITE,
    "deleteJob": _WRITE,
    "listNotifications": _WRITE,
    "createNotification": _WRITE,
    "getNotification": _WRITE,
    "updateNotification": _WRITE,
    "deleteNotification": _WRITE,
    "testNotification": _WRITE,
    "listNotificationDeliveries": _WRITE,
    "redeliverNotification": _WRITE,
    "getWebhook": _WRITE,
    "listDeliveries": _VIEW,
    "redeliver": _DEPLOY,
    "listUsers": _SERVER,
    "createUser": _SERVER,
    "updateUser": _SERVER,
    "deleteUser": _SERVER,
    "getRecovery": _SERVER,
    "recover": _SERVER,
    "getSecrets": _SERVER,
    "rotateSecrets": _SERVER,
}
"""By `operationId`. `removeMember`: members may remove themselves. `getEnv` with `reveal` asks for what `setEnv` does."""


def page() -> str:
    """`docs/permissions.md`."""
    rows = [f"| `{name}` | {it.where.value} | {it.scope or '-'} | {it.role or '-'} | {_bound(it)} |" for name, it in PERMISSIONS.items()]
    return _HEAD + "\n".join(rows) + "\n"


def _bound(permission: Permission) -> str:
    if not permission.scope:
        return "-"
    return "yes" if permission.by_bound_key else "no"


_HEAD = """# Who may do what

Made from `services/api/http/permissions.py` by `just permissions`; a test walks each line with every role and kind of token.

A token needs the **scope** (`read` < `deploy` < `write` < `admin`, each includes the ones before it), and in a project its user needs the
**role** (`viewer` < `deployer` < `maintainer` < owner). A login has the scope `write`, an admin's has `admin`. A key never exceeds its
owner. An admin with the scope `admin` may do everything in every project. What one may not see is `404`, what one sees but may not do
`403 forbidden`, and without a valid token all but the public operations are `401`. A **bound key** sees its one project alone.

`setMember` names a user by id or by email, and a project's owner is told whether there is such a user: the answer is the member. To send
invitations instead would need a mail server. So who looks up more than 20 emails a minute is refused for a while (`429 rate_limited`),
but for admins, who see all users; and the audit has each email that nobody has (`project.member_unknown`). With
`DOCKUP_REGISTRATION=open`, `register` tells the same with `409 email_taken`.

| operation | about | scope | role in the project | bound key |
|---|---|---|---|---|
"""
