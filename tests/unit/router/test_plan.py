from collections import defaultdict

import pytest

from libs.common.messages.runtime import Upstream
from services.router.live import Live, State
from services.router.plan import AddCertificate, AddServer, MapHost, RemoveCertificate, SetServer, Step, UnmapHost, note, plan

OLD = Upstream(name="r1", address="10.0.0.1", port=80)
NEW = Upstream(name="r2", address="10.0.0.2", port=80)
LEAVING = Upstream(name="r1", address="10.0.0.1", port=80, draining_since="2026-01-01T00:00:00Z")


def live(servers: dict[str, State] | None = None, hosts: dict[str, str] | None = None, certificates: set[str] | None = None) -> Live:
    return Live(servers=defaultdict(dict, {"app0000": servers or {}}), hosts=hosts or {}, certificates=certificates or set())


def server(name: str, state: State) -> SetServer:
    return SetServer(backend="app0000", name=name, state=state)


def added(upstream: Upstream) -> AddServer:
    return AddServer(backend="app0000", name=upstream.name, address=upstream.address, port=upstream.port)


SERVED = {"a.x": "app0000"}
CASES: dict[str, tuple[tuple[str, ...], tuple[Upstream, ...], Live, list[Step]]] = {
    "the first route": (
        ("a.x",),
        (NEW,),
        live(),
        [added(NEW), server("r2", "ready"), AddCertificate(host="a.x"), MapHost(host="a.x", backend="app0000")],
    ),
    "nothing to do": (("a.x",), (OLD,), live({"r1": "ready"}, SERVED, {"a.x"}), []),
    "a switch: new ready before old drains": (
        ("a.x",),
        (LEAVING, NEW),
        live({"r1": "ready"}, SERVED, {"a.x"}),
        [added(NEW), server("r2", "ready"), server("r1", "drain")],
    ),
    "drained": (("a.x",), (NEW,), live({"r1": "drain", "r2": "ready"}, SERVED, {"a.x"}), [server("r1", "maint")]),
    "reverted": (
        ("a.x",),
        (OLD,),
        live({"r1": "drain", "r2": "ready"}, SERVED, {"a.x"}),
        [server("r1", "ready"), server("r2", "maint")],
    ),
    "back out of maintenance": (("a.x",), (OLD,), live({"r1": "maint"}, SERVED, {"a.x"}), [server("r1", "ready")]),
    "draining, yet unknown to this proxy": (("a.x",), (LEAVING,), live({}, SERVED, {"a.x"}), []),
    "stopped": (("a.x",), (), live({"r1": "ready"}, SERVED, {"a.x"}), [server("r1", "maint")]),
    "gone: no host leads here before the servers go": (
        (),
        (),
        live({"r1": "ready"}, SERVED, {"a.x"}),
        [UnmapHost(host="a.x"), RemoveCertificate(host="a.x"), server("r1", "maint")],
    ),
    "a host that leads elsewhere": (
        ("a.x",),
        (OLD,),
        live({"r1": "ready"}, {"a.x": "app0007"}, {"a.x"}),
        [MapHost(host="a.x", backend="app0000", known=True)],
    ),
    "another host": (
        ("b.x",),
        (OLD,),
        live({"r1": "ready"}, SERVED, {"a.x"}),
        [AddCertificate(host="b.x"), MapHost(host="b.x", backend="app0000"), UnmapHost(host="a.x"), RemoveCertificate(host="a.x")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_plan(case: str) -> None:
    hosts, upstreams, known, steps = CASES[case]
    assert plan("app0000", hosts, upstreams, known, tls=True) == steps


@pytest.mark.parametrize("case", CASES)
def test_after_its_steps_there_is_nothing_left_to_do(case: str) -> None:
    hosts, upstreams, known, steps = CASES[case]
    for step in steps:
        note(known, step)
    assert plan("app0000", hosts, upstreams, known, tls=True) == []


def test_without_tls_there_are_no_certificates() -> None:
    assert not [step for step in plan("app0000", ("a.x",), (NEW,), live(), tls=False) if isinstance(step, AddCertificate)]


def test_going_to_sleep_changes_the_host_alone() -> None:
    """A request that was on its way to the server still finds it."""
    known = live({"r1": "ready"}, {"a.x": "app0000"}, {"a.x"})
    steps = plan("app0000", ("a.x",), (LEAVING,), known, tls=True, state="asleep")
    assert steps == [MapHost(host="a.x", backend="app0000/asleep", known=True)]
    asleep = live({"r1": "ready"}, {"a.x": "app0000/asleep"}, {"a.x"})
    assert plan("app0000", ("a.x",), (), asleep, tls=True, state="asleep") == [server("r1", "maint")]
    assert plan("app0000", ("a.x",), (OLD,), asleep, tls=True) == [MapHost(host="a.x", backend="app0000", known=True)]


def test_a_pause_changes_the_host_and_keeps_the_server_draining() -> None:
    known = live({"r1": "ready"}, {"a.x": "app0000"}, {"a.x"})
    steps = plan("app0000", ("a.x",), (LEAVING,), known, tls=True, state="paused")
    assert steps == [MapHost(host="a.x", backend="app0000/paused", known=True), server("r1", "drain")]
    paused = live({"r1": "drain"}, {"a.x": "app0000/paused"}, {"a.x"})
    assert plan("app0000", ("a.x",), (OLD,), paused, tls=True) == [
        server("r1", "ready"),
        MapHost(host="a.x", backend="app0000", known=True),
    ]
    assert UnmapHost(host="a.x") in plan("app0000", (), (), paused, tls=True)
