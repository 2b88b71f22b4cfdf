from pathlib import Path

import pytest

from libs.common.messages.runtime import Route, Upstream
from services.router import pages, render
from services.router.files import Files
from services.router.frame import Frame
from services.router.settings import Settings
from services.router.table import Table

UP = Upstream(name="dk-a-web-r1.0-0", address="10.0.0.2", port=80)
SIX = Upstream(name="dk-a-web-r1.0-1", address="fd00::2", port=80)
LEAVING = Upstream(name="dk-a-web-r0.0-0", address="10.0.0.9", port=80, draining_since="2026-01-01T00:00:00Z")


def settings(**more: object) -> Settings:
    return Settings(home="/h", instance="i", nats_url="n", **more)  # type: ignore[arg-type]


def frame(**more: object) -> Frame:
    return Frame(settings=settings(**more), files=Files("/h"), probe_token="secret", waker="w", maxconn=100, threads=2)


def table(capacity: int = 2) -> Table:
    made = Table(capacity=capacity)
    made.take(Route(app_id="a", slug="a", revision=1, hosts=("a.x", "b.x"), upstreams=(UP, SIX, LEAVING)))
    return made


def test_a_backend_lists_what_takes_requests() -> None:
    text = render.config(table(), frame())
    first = text[text.index("backend app0000") : text.index("backend app0001")].splitlines()
    assert [line.strip() for line in first[1:] if line] == [f"server {UP.name} 10.0.0.2:80", f"server {SIX.name} [fd00::2]:80"]


def test_the_map_leads_each_host_to_its_backend() -> None:
    assert render.host_map(table(), settings()).splitlines() == [
        "localhost api",
        "127.0.0.1 api",
        "[::1] api",
        "a.x app0000",
        "b.x app0000",
    ]
    assert render.host_map(table(), settings(base_domain="d.example")).splitlines()[0] == "d.example api"


def test_the_certificate_list_names_a_file_for_each_host() -> None:
    assert render.crt_list(["a.x"], Files("/h")) == "/h/router/certs/a.x.pem a.x\n"


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({}, "https://localhost:8443"),
        ({"https_port": 443, "base_domain": "d.example"}, "https://d.example"),
        ({"tls": "off", "http_port": 80}, "http://localhost"),
        ({"tls": "off", "http_port": 8080}, "http://localhost:8080"),
    ],
)
def test_the_url(more: dict[str, object], url: str) -> None:
    assert settings(**more).url == url


def test_the_shape_is_of_everything_but_the_table() -> None:
    one, other = frame(), frame(http_port=81)
    assert render.shape(one, 2) == render.shape(frame(), 2)
    assert len({render.shape(one, 2), render.shape(one, 4), render.shape(other, 2)}) == 3
    assert render.shape(one, 2) in render.config(table(), one)


def test_without_tls_nothing_is_redirected_and_one_port_is_bound() -> None:
    text = render.config(table(), frame(tls="off"))
    assert "unless { ssl_fc }" not in text
    assert text.count("    bind ") == 1
    assert "crt-list" not in text


def test_every_page_that_the_configuration_names_is_written() -> None:
    text = render.config(table(), frame())
    named = {Path(word).name for word in text.split() if "/pages/" in word}
    assert named == set(pages.files(settings().url))


def test_a_page_is_a_problem_document_with_the_requests_id() -> None:
    text = pages.problem(pages.APP_NOT_RUNNING, "https://d.example")
    assert '"type":"https://d.example/api/v1/errors/app_not_running"' in text
    assert '"request_id":"%[var(txn.id)]"' in text


@pytest.mark.parametrize(
    ("fields", "entry"),
    [({"paused": True}, "app0000/paused"), ({"asleep": True}, "app0000/asleep"), ({"paused": True, "asleep": True}, "app0000/paused")],
)
def test_the_map_says_what_is_paused_and_what_sleeps(fields: dict[str, bool], entry: str) -> None:
    made = table()
    made.take(Route(app_id="a", slug="a", revision=2, hosts=("a.x",), upstreams=(LEAVING,), **fields))
    assert render.host_map(made, settings()).splitlines()[-1] == f"a.x {entry}"
