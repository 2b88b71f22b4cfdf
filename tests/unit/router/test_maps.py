"""The proxy's maps: what they hold for what stands in front of apps, and how the proxy is brought there."""

from pathlib import Path

from libs.common.messages.api import Front, Guard, Redirect
from services.router import maps
from services.router.files import Files
from services.router.maps import Fronted


def test_each_app_s_own_hosts_alone() -> None:
    redirects = (
        Redirect(host="example.com", to="www.example.com"),
        Redirect(host="old.example", to="elsewhere.example", status=301),
        Redirect(host="not.ours", to="www.example.com"),
        Redirect(host="www.example.com", to="evil.example\nset-header"),
    )
    front = Front(redirects=redirects, https_redirect=False, maintenance=60, basic_auth="sealed")
    hosts = ("example.com", "www.example.com", "old.example")
    fronted = Fronted(hosts=hosts, front=front, guard=Guard(salt="s", users={"ada": "d1", "bob": "d2"}))
    found = maps.wanted({"token": "text"}, [fronted], ":8443")
    assert found[maps.CHALLENGE] == {"token": "text"}
    assert found[maps.REDIRECT] == {"example.com": "308/www.example.com:8443", "old.example": "301/elsewhere.example"}
    assert found[maps.PLAIN] == dict.fromkeys(hosts, "1")
    assert found[maps.MAINTENANCE] == dict.fromkeys(hosts, "60")
    assert found[maps.GUARD] == dict.fromkeys(hosts, "s")
    assert set(found[maps.CREDENTIAL]) == {f"{host}/{digest}" for host in hosts for digest in ("d1", "d2")}


def test_what_is_new_comes_before_what_is_old_goes(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    there = {maps.MAINTENANCE: {"a": "60", "b": "5", "c": "1"}, maps.GUARD: {"x": "s"}}
    wanted = {**{name: {} for name in maps.NAMES}, maps.MAINTENANCE: {"a": "60", "b": "6", "d": "2"}}
    coming, going = maps.commands(files, there, wanted)
    path = files.map(maps.MAINTENANCE)
    assert coming == [f"add map {path} d 2", f"set map {path} b 6"]
    assert going == [f"del map {files.map(maps.GUARD)} x", f"del map {path} c"]


def test_who_has_a_password_has_it_for_as_long_as_it_is_asked_for(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    nothing: maps.Maps = {name: {} for name in maps.NAMES}
    guarded = {**nothing, maps.GUARD: {"a": "s"}, maps.CREDENTIAL: {"a/d": "1"}}
    comes = [f"add map {files.map(maps.CREDENTIAL)} a/d 1", f"add map {files.map(maps.GUARD)} a s"]
    goes = [f"del map {files.map(maps.GUARD)} a", f"del map {files.map(maps.CREDENTIAL)} a/d"]
    assert maps.commands(files, nothing, guarded) == (comes, [])
    assert maps.commands(files, guarded, nothing) == ([], goes)


def test_what_the_proxy_shows_is_read_back() -> None:
    entries = {"a.example": "308/b.example", "c.example": "301/d.example:8443"}
    shown = "".join(f"0x55d0c{number} {key} {value}\n" for number, (key, value) in enumerate(entries.items()))
    assert maps.read(shown) == entries
    assert maps.read("Unknown map identifier. Please use #<id> or <file>.\n") == {}
