"""An app's settings for previews of pull requests: as they are sent, stored and shown."""

from typing import TYPE_CHECKING, Annotated

import msgspec

from libs.common.secrets import Vault
from services.api.apps.grammar import EnvName, EnvValue, merged_env
from services.api.http.problems import FieldError, Problem
from services.api.http.strict import Body

if TYPE_CHECKING:
    from services.api.apps.models import AppRow

Hours = Annotated[int, msgspec.Meta(ge=1, le=24 * 90, description="hours without a push after which a preview is removed")]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """Whether each pull request gets an app of its own. `env_keys`: the variables that are other ones in previews."""

    enabled: bool = False
    ttl_hours: int = 72
    forks: bool = False
    env_keys: list[str] = []


class PreviewBody(Body, frozen=True, kw_only=True):
    """What is left out keeps its value. `env` is merged over the app's own in each preview; null removes a name from it.

    `forks`: also of pull requests from other people's repositories, whose code then runs here with the app's variables.
    """

    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    env: dict[EnvName, EnvValue | None] | msgspec.UnsetType = msgspec.UNSET
    ttl_hours: Hours | msgspec.UnsetType = msgspec.UNSET
    forks: bool | msgspec.UnsetType = msgspec.UNSET
    env_keys: list[str] | msgspec.UnsetType = msgspec.UNSET


_preview = msgspec.json.Decoder(Preview)


def of(app: "AppRow") -> Preview:
    return _preview.decode(app.preview)


def merge(app: "AppRow", body: PreviewBody | msgspec.UnsetType | None, vault: Vault) -> list[str]:
    """Change the row; None puts all of it back. Returns `["preview"]` when something is another now."""
    if isinstance(body, msgspec.UnsetType):
        return []
    before, token = app.preview, app.preview_env
    now = of(app)
    if body is None:
        now, app.preview_env = Preview(), None
    else:
        given = {name: getattr(body, name) for name in ("enabled", "ttl_hours", "forks") if getattr(body, name) is not msgspec.UNSET}
        _check_keys(body, now)
        now = msgspec.structs.replace(now, **given)
        if not isinstance(body.env, msgspec.UnsetType):
            now = msgspec.structs.replace(now, env_keys=_merge_env(app, body.env, vault))
    if is_another := _preview.decode(before) != now:
        app.preview = msgspec.json.encode(now).decode()
    return ["preview"] if is_another or token != app.preview_env else []


def _merge_env(app: "AppRow", env: dict[EnvName, EnvValue | None], vault: Vault) -> list[str]:
    before = env_of(app, vault)
    after = merged_env(before, env, "/preview/env")
    if after != before:
        app.preview_env = vault.seal(after) if after else None
    return sorted(after)


def _check_keys(body: PreviewBody, now: Preview) -> None:
    if body.env_keys not in (msgspec.UNSET, now.env_keys):
        raise Problem("read_only_field", errors=[FieldError(pointer="/preview/env_keys", detail="is read-only")])


def env_of(app: "AppRow", vault: Vault) -> dict[str, str]:
    """The variables that previews of the app have beside, or instead of, its own."""
    return vault.open(app.preview_env, dict[str, str]) if app.preview_env else {}
