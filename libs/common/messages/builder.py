"""What the builder takes (commands) and says (events). Every source becomes an image here."""

import msgspec

from libs.common.messages.failure import Failure


class PrepareImage(msgspec.Struct, frozen=True, kw_only=True):
    """Find or pull `reference` and pin it. Command id: `{deployment_id}.prepare`.

    `registry` is a token of `libs.common.secrets` around a `RegistryLogin`, empty for a pull that needs none. What is pulled with one
    belongs to the app's project alone.
    """

    command_id: str
    app_id: str
    deployment_id: str
    release: int
    reference: str
    registry: str = ""
    v: int = 1


class RegistryLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry is told. `server` is its host, with the port where it is not 443; it travels sealed."""

    server: str
    username: str
    password: str


class CheckRegistry(msgspec.Struct, frozen=True, kw_only=True):
    """The query `registry_check`: does the registry take the login? `login` is a token around a `RegistryLogin`."""

    login: str
    v: int = 1


class RegistryChecked(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is None when the registry took the login, else a failure code; `detail` is a sentence."""

    code: str | None
    detail: str


class GitLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What a git host is told over https; it travels sealed."""

    username: str
    password: str


class BuildImage(msgspec.Struct, frozen=True, kw_only=True):
    """Fetch a commit of a repository, and build the release's image from it. Command id: `{deployment_id}.prepare`.

    `url` is an https address without a login in it; `login` a token of `libs.common.secrets` around a `GitLogin`, empty for a public
    repository. `commit`, where it is given, is exactly that one; else `ref`, a branch, a tag or a commit; else the host's default branch.
    `root_directory` and `dockerfile_path` are relative, the second to the first; without a Dockerfile there one is written. `builder` is
    `auto`, `railpack` or `pack`. `args` are build arguments; `secrets` are names in `env`, a token around a JSON object, that a build step
    may mount (`--mount=type=secret,id=NAME`); `shared` is a token around the shared variables
    that it refers to; `env_secret` are names whose values are masked, whatever they are called. `registries` is a
    token around a list of `RegistryLogin` for base images, or empty.
    """

    command_id: str
    app_id: str
    deployment_id: str
    release: int
    url: str
    ref: str | None = None
    commit: str | None = None
    login: str = ""
    root_directory: str = ""
    dockerfile_path: str | None = None
    builder: str = "auto"
    args: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    env: str = ""
    shared: str = ""
    env_secret: tuple[str, ...] = ()
    submodules: bool = False
    lfs: bool = False
    registries: str = ""
    v: int = 1


class LoadImage(msgspec.Struct, frozen=True, kw_only=True):
    """Check the spooled upload of the deployment and load it as the release's image. Command id: `{deployment_id}.prepare`."""

    command_id: str
    app_id: str
    deployment_id: str
    release: int
    v: int = 1


class CollectImages(msgspec.Struct, frozen=True, kw_only=True):
    """Remove every image tag that Dockup made for the app, but those of the releases in `keep`."""

    command_id: str
    app_id: str
    keep: tuple[int, ...] = ()
    v: int = 1


class ImageStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Work on the image began: the deployment is `building`. Id: `{command_id}.started`."""

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    v: int = 1


class ImageProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A pull or a load goes on: at most one event every two seconds. `done_bytes` and `total_bytes` may be 0 while unknown."""

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    message: str
    done_bytes: int = 0
    total_bytes: int = 0
    v: int = 1


class SourceFetched(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that is built. `subject` is the first line of its message; `ref` the branch or tag that led to it.

    Id: `{command_id}.source`.
    """

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    commit: str
    subject: str
    author: str
    ref: str | None
    v: int = 1


class DockerfileWritten(msgspec.Struct, frozen=True, kw_only=True):
    """The source had no Dockerfile: this one was written, because `reason`. `kind` is `python`, `node` and so on.

    Id: `{command_id}.dockerfile`.
    """

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    kind: str
    reason: str
    dockerfile: str
    v: int = 1


class BuildLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a build's log, secrets masked. In LOGS, under `subjects.log(deployment_id, "build")`, a message is a list of them.

    `step` is the number of the step of the build, 0 outside of any; `stream` is `stdout`, `stderr`, or `build` for what the builder itself
    says, such as the beginning and the end of a step with its `duration_ms`.
    """

    at: str
    stream: str
    step: int
    message: str
    duration_ms: float | None = None


class ImageReady(msgspec.Struct, frozen=True, kw_only=True):
    """The image is on the engine. `digest` is the repository digest, None for one that was never in a registry.

    `found` says that nothing had to be pulled; `exposed_ports` are the TCP ports on which the image says that it listens; `procfile` are
    the commands in its source's Procfile by name, without `web`, which the image starts by itself.
    Id: `{command_id}.ready`.
    """

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    image_id: str
    digest: str | None
    found: bool
    exposed_ports: tuple[int, ...] = ()
    procfile: dict[str, tuple[str, ...]] = {}
    v: int = 1


class ImageFailed(msgspec.Struct, frozen=True, kw_only=True):
    """There will be no image. Id: `{command_id}.failed`."""

    event_id: str
    at: str
    app_id: str
    deployment_id: str
    failure: Failure
    v: int = 1
