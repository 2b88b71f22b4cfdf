"""What a deployment is made of: what was asked for, what is frozen of it, and the command that the builder is given."""

from typing import NamedTuple

import msgspec

from libs.common.image_names import held_release
from libs.common.messages.builder import BuildImage, LoadImage, PrepareImage
from services.api.apps import source as sources
from services.api.apps.models import AppRow
from services.api.apps.source import Source
from services.api.db.tx import Tx
from services.api.deployments.models import DeploymentRow, ReleaseRow
from services.api.deployments.moves import UPLOAD, Frozen, reference_of
from services.api.git import connections, repository
from services.api.http.problems import FieldError, Problem
from services.api.registries import service as registries

GIT = "git"
"""The source of a deployment whose image is, or once was, built from a repository."""
_frozen = msgspec.json.Decoder(Frozen)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for beyond the app's own settings: `ref` for this once, or exactly `commit`; `message` is its first line."""

    ref: str | None = None
    commit: str | None = None
    message: str | None = None
    trigger: str = "api"


class Restored(NamedTuple):
    """The deployment that a rollback goes back to, with its release."""

    deployment: DeploymentRow
    release: ReleaseRow


def check(app: AppRow, asked: Asked) -> None:
    """`409 source_not_available` for a ref or a commit of an app that has no repository."""
    if app.git_repo_url is None and (asked.ref or asked.commit):
        raise Problem("source_not_available", f"{app.slug} has no git repository to take {asked.ref or asked.commit} from.")


def check_ref_alone(image: object) -> None:
    """`400 image_with_git` for a ref beside an image."""
    if image is not msgspec.UNSET:
        raise Problem("image_with_git", errors=[FieldError(pointer="/ref", detail="excludes image")])


def kind_of(app: AppRow, upload: str | None, restored: Restored | None) -> str:
    """The contract's word for where the image comes from."""
    if upload:
        return UPLOAD
    if restored:
        return restored.deployment.source
    if app.git_repo_url is not None:
        return GIT
    return UPLOAD if held_release(app.image, app.id) is not None else "image"


def freeze(app: AppRow, asked: Asked, github_url: str) -> Source | None:
    """What the release remembers of where the app is built from."""
    source = sources.configured(app)
    if source is None:
        return None
    url = repository.clone_url(source.repository, github_url)
    return msgspec.structs.replace(source, url=url, ref=asked.ref or source.branch, commit=asked.commit)


async def command(tx: Tx, app: AppRow, release: ReleaseRow, *, trigger: str, kind: str) -> PrepareImage | LoadImage | BuildImage:
    """The command that a deployment begins with. Made again from the same rows it has the same id."""
    if kind == GIT and release.restores is None:
        return await build_command(tx, app, release)
    command_id, image = f"{release.deployment_id}.prepare", reference_of(release)
    if trigger == UPLOAD:
        return LoadImage(command_id=command_id, app_id=app.id, deployment_id=release.deployment_id, release=release.number)
    return PrepareImage(
        command_id=command_id,
        app_id=app.id,
        deployment_id=release.deployment_id,
        release=release.number,
        reference=image,
        registry=await registries.login_for(tx, app, image),
    )


async def build_command(tx: Tx, app: AppRow, release: ReleaseRow) -> BuildImage:
    """Fetch and build what the release froze, with the logins of today."""
    source = sources.decode(release.source)
    if source is None:
        raise ValueError(f"release {release.number} of {release.app_id} has no source")
    return BuildImage(
        command_id=f"{release.deployment_id}.prepare",
        app_id=release.app_id,
        deployment_id=release.deployment_id,
        release=release.number,
        url=source.url,
        ref=source.ref,
        commit=source.commit,
        login=await connections.login_of(tx.connection, release.app_id, source.repo, source.url),
        root_directory=source.root_directory or "",
        dockerfile_path=source.dockerfile_path,
        builder=source.build.builder,
        args=source.build.args,
        secrets=source.build.secrets,
        env=release.env,
        shared=release.shared or "",
        env_secret=_frozen.decode(release.settings).env_secret,
        submodules=source.build.submodules,
        lfs=source.build.lfs,
        registries=await registries.logins_for(tx, app),
    )
