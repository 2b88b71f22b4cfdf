"""Which processes are this installation's own."""

from libs.supervisor import ports, process
from libs.supervisor.home import SERVICES, Home


def ours(home: Home) -> ports.Ours:
    """Say which pids are ours: services that outlived a supervisor, and HAProxy, which outlives `down`."""
    own = {each.pid for name in (*SERVICES, "nats") if (each := process.running(home.pid_file(name)))}
    proxy = process.foreign(home.haproxy_pid, "haproxy")
    return lambda pid: pid in own or (proxy is not None and proxy.pid in {pid, process.parent(pid)})
