"""What a session's container is made from, and what is told to the tools in it. Pure."""

import msgspec

from libs.common.engine.spec import ContainerSpec
from libs.common.messages.codex import CodexRequest
from services.runtime.spec import Place

LABEL = "dockup.codex"
"""On the container and the network of a session: its id. They carry no label of an app, so that nobody takes them for one's."""
USER = "1000:1000"
HOME, WORK = "/home/codex", "/work"
_FOR_EVER = ("sleep", "2147483647")
_NOBODY = ("127.0.0.1",)
"""Asked for names from within the container, where nobody answers: older engines would ask the machine's own resolvers, and so lead out."""
_SCRIPT = """
set -eu
mkdir -p "$CODEX_HOME"
printf '%s' "$DOCKUP_CODEX_CONFIG" >"$CODEX_HOME/config.toml"
printf '%s' "$DOCKUP_CODEX_RULES" >"$CODEX_HOME/AGENTS.md"
cd /work
if [ -n "$DOCKUP_GIT_URL" ]; then
    git clone --quiet --single-branch ${DOCKUP_GIT_BRANCH:+"--branch=$DOCKUP_GIT_BRANCH"} -- "$DOCKUP_GIT_URL" .
    git checkout --quiet -b "$DOCKUP_BRANCH"
fi
exec codex "$@"
"""
_CONFIG = """\
model_provider = "dockup"
sandbox_mode = "danger-full-access"
approval_policy = "never"
check_for_update_on_startup = false
web_search = "disabled"

[model_providers.dockup]
name = "Dockup"
base_url = "{url}/model"
wire_api = "responses"

[analytics]
enabled = false

[features]
plugins = false
apps = false

[projects."/work"]
trust_level = "trusted"
"""
_RULES = """\
This is a session of Dockup in a container of its own, without a way out: only the model's API and the app's repository are reached.
"""
_RULES_OF_GIT = """\
Commit what you change. Push with `git push origin HEAD:{branch}`: that branch is the only one that can be pushed to.
Files of Git LFS are pointers here, and submodules are empty: neither can be fetched or pushed.
"""
_RULES_WITHOUT_GIT = "The app has no repository: /work is empty, and goes with the session.\n"


def network_name(instance: str, request: CodexRequest) -> str:
    return f"dk-{instance}-codex-{request.id}"


def container_spec(
    app_id: str, request: CodexRequest, *, image_id: str, network: str, address: str, place: Place, cpu: float, memory: int
) -> ContainerSpec:
    """It sleeps: what is to run is started in it, and goes with it."""
    return ContainerSpec(
        name=f"dk-{app_id}-codex-{request.id}",
        image_id=image_id,
        labels={"dockup.instance": place.instance, "dockup.node": place.node, LABEL: request.id},
        env={},
        command=(),
        entry_point=_FOR_EVER,
        network=network,
        address=address,
        port=None,
        cpu=cpu,
        memory=memory,
        user=USER,
        capabilities=(),
        dns=_NOBODY,
    )


def command(request: CodexRequest) -> tuple[str, ...]:
    """With a prompt, or without a terminal, the CLI works and ends; else it is the one in the terminal."""
    model = ("--model", request.model) if request.model else ()
    if request.prompt is None and request.tty:
        return ("/bin/sh", "-c", _SCRIPT, "codex", "--no-daemon", *model)
    return ("/bin/sh", "-c", _SCRIPT, "codex", "exec", "--skip-git-repo-check", *model, "--", request.prompt or "-")


def environment(request: CodexRequest, url: str) -> dict[str, str]:
    """`url` is the gate's, with the session's token. No login is in it."""
    source = request.source
    rules = _RULES + (_RULES_OF_GIT.format(branch=request.branch) if source else _RULES_WITHOUT_GIT)
    return {
        "HOME": HOME,
        "CODEX_HOME": f"{HOME}/.codex",
        "DOCKUP_CODEX_CONFIG": _CONFIG.format(url=url),
        "DOCKUP_CODEX_RULES": rules,
        "DOCKUP_GIT_URL": f"{url}/git" if source else "",
        "DOCKUP_GIT_BRANCH": (source.branch or "") if source else "",
        "DOCKUP_BRANCH": request.branch,
        **_of_git({"user.name": "Codex", "user.email": "codex@localhost", "push.default": "current", "push.autoSetupRemote": "true"}),
        **({"TERM": "xterm-256color"} if request.tty else {}),
    }


def _of_git(options: dict[str, str]) -> dict[str, str]:
    found = {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_CONFIG_COUNT": str(len(options))}
    for number, (name, value) in enumerate(options.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def id_of(labels: dict[str, str]) -> str:
    """The session that a container or network belongs to; empty for those of apps."""
    return labels.get(LABEL, "")


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """What a session holds on the engine."""

    session: str
    name: str
    container_id: str
    network_id: str
