from libs.common.messages.runtime import Route, Upstream
from services.router.table import Table

UP = Upstream(name="dk-a-web-r1.0-0", address="10.0.0.2", port=80)


def route(app: str, revision: int, *hosts: str, upstreams: tuple[Upstream, ...] = (UP,)) -> Route:
    return Route(app_id=app, slug=app, revision=revision, hosts=hosts, upstreams=upstreams)


def table(*routes: Route, capacity: int = 4) -> Table:
    made = Table(capacity=capacity, reserved=("localhost",))
    for one in routes:
        made.take(one)
    return made


def test_only_a_greater_revision_changes_anything() -> None:
    found = table(route("a", 5, "a.x"))
    assert found.take(route("a", 4, "b.x")) == set()
    assert found.take(route("a", 5, "b.x")) == set()
    assert found.hosts("a") == ("a.x",)
    assert found.take(route("a", 6, "b.x")) == {"a"}
    assert found.hosts("a") == ("b.x",)


def test_the_later_made_app_has_a_host_that_two_name_and_gives_it_back() -> None:
    found = table(route("a", 1, "h.x"))
    assert found.take(route("b", 1, "h.x")) == {"a", "b"}
    assert (found.hosts("a"), found.hosts("b")) == ((), ("h.x",))
    assert found.take(route("b", 2)) == {"a", "b"}
    assert found.hosts("a") == ("h.x",)


def test_a_backend_is_free_again_only_when_the_proxy_has_nothing_of_the_app() -> None:
    found = table(route("a", 1, "a.x"), route("b", 1, "b.x"))
    found.take(route("a", 2))
    found.take(route("c", 1, "c.x"))
    assert found.slots == {"a": 0, "b": 1, "c": 2}
    found.release("a")
    found.take(route("d", 1, "d.x"))
    assert found.slots == {"b": 1, "c": 2, "d": 0}


def test_an_app_that_has_a_route_keeps_its_backend() -> None:
    found = table(route("a", 1, "a.x"))
    found.release("a")
    assert found.slots == {"a": 0}


def test_capacity_doubles_with_the_first_app_too_many() -> None:
    found = table(*(route(f"a{number}", 1, f"a{number}.x") for number in range(4)))
    assert found.capacity == 4
    found.take(route("a5", 1, "a5.x"))
    assert found.capacity == 8


def test_what_is_stored_comes_back_without_the_apps_that_are_gone() -> None:
    first = table(route("a", 1, "a.x"), route("b", 1, "b.x"))
    first.take(route("a", 2))
    second = table()
    second.restore(first.stored())
    assert second.slots == {"b": 1}
    assert second.hosts("b") == ("b.x",)


def test_a_running_proxys_backends_are_kept_for_the_hosts_that_they_serve() -> None:
    found = table()
    found.claim({"a.x": 0, "b.x": 3})
    found.take(route("new", 1, "new.x"))
    found.take(route("b", 1, "b.x"))
    assert found.slots == {"new": 1, "b": 3}


def test_what_the_proxy_could_not_take_is_left_out() -> None:
    bad = (
        Upstream(name="two words", address="10.0.0.2", port=80),
        Upstream(name="ok", address="example.com", port=80),
        Upstream(name="ok", address="fe80::1%eth0", port=80),
        Upstream(name="ok", address="10.0.0.2", port=0),
        Upstream(name=UP.name, address="10.0.0.3", port=80),  # of one name there is one: HAProxy takes no configuration with two
    )
    found = table(route("a", 1, "A.x", "localhost", "sp ace", "-a.x", "x" * 64 + ".x", "a..x", "a.x\n", upstreams=(*bad, UP)))
    assert found.hosts("a") == ("a.x",)
    assert found.upstreams("a") == (UP,)


def test_an_app_that_is_gone_is_forgotten_when_the_bucket_forgot_it() -> None:
    found = table(route("a", 1, "a.x"))
    found.take(route("a", 2))
    found.release("a")
    found.forget({"a"})
    assert "a" in found.routes
    found.forget(set())
    assert "a" not in found.routes


def test_absence_removes_no_app() -> None:
    found = table(route("a", 1, "a.x"))
    found.forget(set())
    assert found.hosts("a") == ("a.x",)
