"""`dockup down`: end the control plane and leave apps and proxy serving; `--all` ends those too."""

from collections.abc import Callable

from libs.supervisor import engine, process, settings
from libs.supervisor.home import SERVICES, Home

_STOP_SECONDS = 40.0
"""Three ranks of children, each with ten seconds to end by itself; in practice it takes one."""
_CHILD_SECONDS = 10.0
_PROXY_SECONDS = 5.0
_IN_ORDER = (*SERVICES, "redis", "nats")

Say = Callable[[str], None]


def down(home: Home, say: Say, *, everything: bool) -> None:
    stopped = _stop_supervisor(home)
    stopped |= _stop_orphans(home)
    say("Dockup is down; apps and proxy go on serving" if stopped and not everything else "the control plane is down")
    if everything:
        _stop_the_rest(home, say)


def _stop_supervisor(home: Home) -> bool:
    """The guard first, lest it start the supervisor anew."""
    if guard := process.running(home.pid_file("guard")):
        process.end(guard, _CHILD_SECONDS)
    supervisor = process.running(home.pid_file("supervisor"))
    if supervisor:
        process.end(supervisor, _STOP_SECONDS)
    return bool(guard or supervisor)


def _stop_orphans(home: Home) -> bool:
    """Children whose supervisor was killed and never came back."""
    left = [found for name in _IN_ORDER if (found := process.running(home.pid_file(name)))]
    for found in left:
        process.end(found, _CHILD_SECONDS)
    return bool(left)


def _stop_the_rest(home: Home, say: Say) -> None:
    if proxy := process.foreign(home.haproxy_pid, "haproxy"):
        process.end(proxy, _PROXY_SECONDS)
        say("stopped HAProxy")
    docker_host = settings.settings_of(settings.environment(home)).docker_host
    if home.state_file.exists():
        engine.stop_apps(docker_host, home.load().instance, say)
    engine.stop_ours(home, docker_host, say)
