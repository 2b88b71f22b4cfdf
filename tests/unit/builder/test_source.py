"""Folders of builds, turns, settings, and what git is told."""

from pathlib import Path

import pytest

from libs.common.config import SettingError
from libs.common.egress import Route
from services.builder import work
from services.builder.processes import Ended
from services.builder.settings import Settings
from services.builder.source import git, grammar
from services.builder.source.git import meaning
from services.builder.work import Turns

GIVEN = {"home": "/x", "instance": "x", "nats_url": "x", "secret_key": "x"}


def test_a_folder_goes_with_its_command_and_a_left_one_is_swept(tmp_path: Path) -> None:
    with work.folder(tmp_path, "dep_1") as mine:
        left = tmp_path / "builds" / "dep_2.abc"
        (left / "source").mkdir(parents=True)
        (left / "source").chmod(0o500)
        assert work.sweep(tmp_path) == ["dep_2.abc"]
        assert mine.is_dir()
        assert mine.stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "builds").glob("dep_*"))


def test_one_build_an_app_also_beside_another_builder(tmp_path: Path) -> None:
    one, other = Turns(tmp_path, 2), Turns(tmp_path, 2)
    with one.turn("app_1") as first, other.turn("app_1") as second, one.turn("app_2") as third, one.turn("app_3") as fourth:
        assert (first, second, third, fourth) == (True, False, True, False)
    with other.turn("app_1") as again:
        assert again


@pytest.mark.parametrize(
    ("setting", "value"),
    [("egress_allow", ("10.0.0.0/99",)), ("base_images", ("cobol=x",)), ("base_images", ("python=",)), ("base_images", ("python",))],
)
def test_settings_that_are_wrong(setting: str, value: tuple[str, ...]) -> None:
    with pytest.raises(SettingError, match=f"DOCKUP_{setting.upper()}"):
        Settings(**GIVEN, **{setting: value})  # type: ignore[arg-type]


def test_base_images() -> None:
    settings = Settings(**GIVEN, base_images=("python=m/p:{version}", "node=m/n@sha256:0=1"))
    assert settings.replaced_images == {"python": "m/p:{version}", "node": "m/n@sha256:0=1"}


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://github.com/a/b", "github.com"),
        ("https://GitHub.com:443/a/b/", "github.com"),
        ("http://[::1]:80/a", "[::1]"),
        ("https://x.corp:8443/a%20b.git", "x.corp:8443"),
    ],
)
def test_addresses(url: str, authority: str) -> None:
    address = grammar.address(url)
    assert address.authority == authority
    assert not address.url.endswith("/")


def test_a_route_is_pinned() -> None:
    route = Route(host="git.corp", port=443, addresses=("1.1.1.1", "::1"), allowed=True)
    assert git.pinned(route) == "git.corp:443:1.1.1.1,[::1]"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("fatal: Authentication failed for 'x'", "git_auth_failed"),
        ("fatal: could not read Username for 'x': terminal prompts disabled", "git_auth_failed"),
        ("error: The requested URL returned error: 403", "git_auth_failed"),
        ("fatal: repository 'x' not found", "repository_not_found"),
        ("fatal: couldn't find remote ref refs/heads/x", "ref_not_found"),
        ("fatal: remote error: upload-pack: not our ref 1", "ref_not_found"),
        ("fatal: write error: No space left on device", "disk_full"),
        ("error: RPC failed; curl 28 Operation too slow", "timeout"),
        ("fatal: unable to access 'x': Could not resolve host: x", "git_unreachable"),
        ("fatal: unable to access 'x': SSL certificate problem", "git_unreachable"),
        ("fatal: something else", "clone_failed"),
    ],
)
def test_what_git_says(said: str, code: str) -> None:
    failure = meaning(Ended(code=128, out=b"", err=f"hint: no\n{said}\n"), "https://x/y").failure
    assert failure.code == code
    assert failure.evidence == (said,)
