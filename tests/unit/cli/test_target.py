"""Whom the verbs ask. A token that is kept for one server never goes to another."""

import json
import os
from pathlib import Path

import pytest

from libs.cli.remote import login
from libs.cli.remote.errors import Unreachable
from libs.cli.remote.target import Target, find

HERE, THERE, ELSEWHERE = "https://here.example", "https://there.example", "https://elsewhere.example"
LOOPBACK = "http://127.0.0.1:7"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Somebody who is logged in nowhere, on a machine with a Dockup."""
    data = tmp_path / "data" / "dockup"
    (data / "router" / "ca").mkdir(parents=True)
    (data / "state.json").write_text(json.dumps({"ports": {"api": 7}}))
    (data / "credentials.json").write_text(json.dumps({"url": HERE, "api_key": "dkp_here"}))
    (data / "router" / "ca" / "root.crt").write_text("CA")
    return {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


USER = 1000
CASES: list[tuple[str | None, str | None, dict[str, str], bool, Target | None]] = [
    (None, None, {}, False, Target(LOOPBACK, "dkp_here")),
    (None, "dkp_mine", {}, False, Target(LOOPBACK, "dkp_mine")),
    (None, None, {"DOCKUP_TOKEN": "dkp_mine"}, False, Target(LOOPBACK, "dkp_mine")),
    (HERE, None, {}, False, Target(HERE, "dkp_here", "CA")),
    (None, None, {"DOCKUP_URL": f"{HERE}/"}, False, Target(HERE, "dkp_here", "CA")),
    (LOOPBACK, None, {}, False, Target(LOOPBACK, "dkp_here", "CA")),
    (THERE, None, {}, False, None),
    (None, None, {}, True, Target(THERE, "dkp_there", "THEIRS")),
    (None, "dkp_mine", {}, True, Target(THERE, "dkp_mine", "THEIRS")),
    (THERE, None, {}, True, Target(THERE, "dkp_there", "THEIRS")),
    (ELSEWHERE, None, {}, True, None),
    (ELSEWHERE, None, {"DOCKUP_TOKEN": "dkp_mine"}, True, Target(ELSEWHERE, "dkp_mine", "CA")),
    (ELSEWHERE, None, {"DOCKUP_TOKEN": "dkp_mine", "DOCKUP_URL": THERE}, False, None),
    (HERE, None, {"DOCKUP_TOKEN": "dkp_mine", "DOCKUP_URL": THERE}, False, Target(HERE, "dkp_here", "CA")),
    (HERE, "dkp_mine\n", {}, False, Target(HERE, "dkp_mine", "CA")),
    (HERE, "dkp_mine\nX: y", {}, False, None),
    (HERE, "dkp_m\xefne", {}, False, None),
    ("https://he re.example", "dkp_mine", {}, False, None),
    ("ftp://here.example", None, {}, False, None),
    ("https://here.example/other", None, {}, False, None),
    ("https://here.example:port", None, {}, False, None),
    ("https://somebody@here.example", None, {}, False, None),
]


@pytest.mark.parametrize(("url", "token", "given", "logged_in", "found"), CASES)
def test_who_is_asked(
    *, environ: dict[str, str], url: str | None, token: str | None, given: dict[str, str], logged_in: bool, found: Target | None
) -> None:
    if logged_in:
        login.keep(login.Login(THERE, "dkp_there", authority="THEIRS"), environ)
    if found is None:
        with pytest.raises(Unreachable):
            find(url, token, environ | given, USER)
    else:
        assert find(url, token, environ | given, USER) == found


def test_a_home_that_is_named_counts_more_than_a_login(environ: dict[str, str], tmp_path: Path) -> None:
    login.keep(login.Login(THERE, "dkp_there"), environ)
    named = environ | {"DOCKUP_HOME": str(tmp_path / "data" / "dockup")}
    assert find(None, None, named, USER) == Target(LOOPBACK, "dkp_here")


def test_a_login_is_for_its_owner_alone(environ: dict[str, str]) -> None:
    draft = login.file_of(environ).with_name(f".login.json.{os.getpid()}")
    draft.parent.mkdir(parents=True)
    draft.write_text("of a life that was killed, for everybody to read", encoding="utf-8")
    file = login.keep(login.Login(THERE, "dkp_there", "key_1", "PEM"), environ)
    assert file.stat().st_mode & 0o777 == 0o600
    assert login.load(environ) == login.Login(THERE, "dkp_there", "key_1", "PEM")
    file.write_text("{")
    with pytest.raises(Unreachable, match=r"login\.json"):
        login.load(environ)
    login.forget(environ)
    assert login.load(environ) is None


def test_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as none:
        find(None, None, {"DOCKUP_HOME": str(tmp_path)}, USER)
    assert "dockup up" in none.value.problem["hint"]
    assert none.value.exit_status == 4
