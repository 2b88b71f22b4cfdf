"""Tables for the small pure rooms of libs/common."""

from typing import Annotated

import msgspec
import pytest
from cryptography.fernet import Fernet

from libs.common import clock, ids, subjects
from libs.common.config import Common, SettingError, load
from libs.common.errors import FAILURES, failure
from libs.common.messages.builder import PrepareImage
from libs.common.secrets import MASK, UnreadableError, Vault, is_secret_name, mask

ENVIRON = {"DOCKUP_HOME": "/srv", "DOCKUP_INSTANCE": "abc", "DOCKUP_NATS_URL": "nats://127.0.0.1:4222"}


class Sized(Common, frozen=True, kw_only=True):
    http_port: int = 80
    allow: tuple[str, ...] = ()
    open: bool = False


def test_settings_are_read_by_name() -> None:
    settings = load(Sized, {**ENVIRON, "DOCKUP_HTTP_PORT": "8080", "DOCKUP_ALLOW": "a, b", "DOCKUP_OPEN": "true"})
    assert (settings.http_port, settings.allow, settings.open) == (8080, ("a", "b"), True)


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"DOCKUP_HTTP_PORT": "eighty"}, "DOCKUP_HTTP_PORT", "'eighty'"),
        ({"DOCKUP_HOME": ""}, "DOCKUP_HOME", "is not set"),
        ({"DOCKUP_OPEN": "perhaps"}, "DOCKUP_OPEN", "'perhaps'"),
    ],
)
def test_a_wrong_setting_names_itself(change: dict[str, str], name: str, words: str) -> None:
    with pytest.raises(SettingError, match=words) as caught:
        load(Sized, {**ENVIRON, **change})
    assert caught.value.name == name


class Secretive(Common, frozen=True, kw_only=True):
    secret_key: Annotated[str, msgspec.Meta(pattern="^ok$")] = "ok"
    acme_dns_options: tuple[Annotated[str, msgspec.Meta(pattern="=")], ...] = ()
    redis_url: Annotated[str, msgspec.Meta(pattern="^unix://")] = "unix:///x"


@pytest.mark.parametrize(
    ("name", "text"),
    [("DOCKUP_SECRET_KEY", "hunter2"), ("DOCKUP_ACME_DNS_OPTIONS", "hunter2"), ("DOCKUP_REDIS_URL", "redis://:hunter2@cache:6379")],
)
def test_a_wrong_setting_that_may_be_a_secret_is_not_told(name: str, text: str) -> None:
    with pytest.raises(SettingError, match=name) as caught:
        load(Secretive, {**ENVIRON, name: text})
    assert "hunter2" not in str(caught.value)


def test_ids_sort_by_time() -> None:
    made = [ids.new("app") for _ in range(200)]
    assert [one[:16] for one in made] == sorted(one[:16] for one in made)
    assert len(set(made)) == 200
    assert all(one[4 + 12] == "7" and one[4 + 16] in "89ab" for one in made)


def test_subjects_are_built_and_parsed() -> None:
    message = PrepareImage(command_id="c", app_id="app_1", deployment_id="d", release=1, reference="x")
    subject = subjects.command("builder", message, "app_1")
    assert subject == "dockup.cmd.builder.PrepareImage.app_1"
    assert subjects.parse(subject) == subjects.Subject("cmd", "builder", "PrepareImage", "app_1")
    for wrong in ("", "dockup.cmd.builder", "other.cmd.a.b.c", "dockup.rpc.a.b.c"):
        with pytest.raises(ValueError, match="not a subject"):
            subjects.parse(wrong)


def test_the_engines_nanoseconds_are_read() -> None:
    assert clock.rfc3339(clock.parse("2026-11-23T08:00:00.123456789Z")) == "2026-11-23T08:00:00.123Z"
    with pytest.raises(ValueError, match="no time zone"):
        clock.parse("2026-11-23T08:00:00")


def test_a_vault_opens_what_an_older_key_sealed() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    token = Vault(old).seal({"A": "b"})
    assert Vault(f"{new},{old}").open(token, dict[str, str]) == {"A": "b"}
    with pytest.raises(UnreadableError):
        Vault(new).open(token, dict[str, str])


@pytest.mark.parametrize(
    ("name", "secret"),
    [("API_KEY", True), ("github_token", True), ("SENTRY_DSN", True), ("PASSWORD", True), ("PORT", False), ("VERSION", False)],
)
def test_secret_names(name: str, secret: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_secret_name(name) is secret


def test_masks_leave_nothing_of_a_secret() -> None:
    assert mask("pw=hunter2hunter2 and hunter2", ("hunter2", "hunter2hunter2", "pw")) == f"pw={MASK} and {MASK}"


def test_every_failure_says_what_to_do() -> None:
    assert all(entry.hint.endswith(".") and entry.title for entry in FAILURES.values())
    assert failure("deploying", "timeout", "late", evidence=("x",) * 80).evidence == ("x",) * 50
