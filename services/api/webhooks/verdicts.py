"""Why a delivery leads to nothing, in words that its reader can act on. Pure: the app as it is configured, and what was said."""

from collections.abc import Sequence

import msgspec

from services.api.webhooks.events import PullRequest, Push
from services.api.webhooks.globs import any_matches, matches

DEPLOYED = "deployed"
_BRANCH, _TAG = "refs/heads/", "refs/tags/"
_SKIP = ("[skip deploy]", "[deploy skip]")
_OPEN = {"opened", "reopened", "synchronize", "ready_for_review"}
_SHORT = 12


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What of an app decides. `branch` None is the repository's default one; `last` is the push that was deployed last."""

    repo: str
    branch: str | None
    watch_paths: Sequence[str] = ()
    auto_deploy: bool = True
    deploy_tags: str | None = None
    previews: bool = False
    forks: bool = False
    last: Push | None = None


def of_push(wanted: Wanted, push: Push, *, again: bool = False) -> str | None:
    """Why the push is not deployed; None when it is. `again`: a person asked for it, so what was deployed already may be once more."""
    kind, _, name = push.ref.removeprefix("refs/").partition("/")
    if not same_repo(wanted.repo, push.repo):
        return f"ignored: the push is to {push.repo}, and the app is built from {wanted.repo}"
    if not wanted.auto_deploy:
        return "ignored: auto_deploy is off"
    if push.is_deletion:
        return f"ignored: the {'tag' if kind == 'tags' else 'branch'} {name} was deleted"
    why = _of_tag(wanted, name) if push.ref.startswith(_TAG) else _of_branch(wanted, push, name)
    return why or _of_content(wanted, push) or (None if again else _of_order(wanted.last, push))


def of_pull_request(wanted: Wanted, pull: PullRequest) -> str | None:
    """Why there is no preview of the pull request; None when there is to be one. Its end is no matter of this."""
    if not same_repo(wanted.repo, pull.repo):
        return f"ignored: the pull request is of {pull.repo}, and the app is built from {wanted.repo}"
    if pull.action not in _OPEN:
        return f"ignored: nothing follows from {pull.action} of a pull request"
    if not wanted.previews:
        return "ignored: previews are off"
    if wanted.branch is not None and pull.base != wanted.branch:
        return f"ignored: pull request {pull.number} is for {pull.base}, not {wanted.branch}"
    if pull.is_fork and not wanted.forks:
        return f"ignored: pull request {pull.number} comes from a fork"
    return _of_words(pull.title)


def same_repo(configured: str, said: str) -> bool:
    """A configured repository may be a whole address, and hosts do not tell upper case from lower."""
    mine, theirs = configured.removesuffix(".git").lower(), said.lower()
    return mine == theirs or ("://" in mine and mine.endswith(f"/{theirs}"))


def _of_words(message: str) -> str | None:
    """Its author may ask for it not to be deployed."""
    lower = message.lower()
    return next((f"ignored: {word}" for word in _SKIP if word in lower), None)


def _of_content(wanted: Wanted, push: Push) -> str | None:
    is_elsewhere = wanted.watch_paths and push.paths is not None and not any_matches(wanted.watch_paths, push.paths)
    outside = "ignored: outside watch_paths" if is_elsewhere and push.ref.startswith(_BRANCH) else None
    return _of_words(push.message) or outside


def _of_branch(wanted: Wanted, push: Push, name: str) -> str | None:
    branch = wanted.branch or push.default_branch
    if not push.ref.startswith(_BRANCH):
        return f"ignored: {push.ref} is neither a branch nor a tag"
    return None if name == branch else f"ignored: branch {name} is not {branch}"


def _of_tag(wanted: Wanted, name: str) -> str | None:
    if wanted.deploy_tags is None:
        return f"ignored: tag {name}, and deploy_tags is not set"
    return None if matches(wanted.deploy_tags, name) else f"ignored: tag {name} is not {wanted.deploy_tags}"


def _of_order(last: Push | None, push: Push) -> str | None:
    """A repository may have two webhooks, and what they say may come in any order."""
    if last is None or last.ref != push.ref:
        return None
    if last.after == push.after:
        return f"ignored: {push.after[:_SHORT]} was deployed already"
    if last.before == push.after != last.after and push.before != last.after:  # who pushes it back comes from what was last
        return f"ignored: {last.after[:_SHORT]} was pushed after it, and is deployed"
    return None
