from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from services.router import certificates, root
from services.router.certificates import Authority
from services.router.files import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(str(tmp_path))
    made.make()
    return made


def leaf(files: Files, host: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate(host).read_bytes())


def test_a_leaf_is_of_the_root_for_its_host_alone(files: Files) -> None:
    assert Authority(files, "i", {}).ensure("a.localhost")
    made_root = x509.load_pem_x509_certificate((files.authority / "root.crt").read_bytes())
    made = leaf(files, "a.localhost")
    made.verify_directly_issued_by(made_root)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.localhost"]
    assert timedelta(days=390) < made.not_valid_after_utc - datetime.now(UTC) < timedelta(days=398)


def test_a_pem_has_no_blank_line_and_is_private(files: Files) -> None:
    Authority(files, "i", {}).ensure("a.localhost")
    path = files.certificate("a.localhost")
    assert all(path.read_text(encoding="ascii").splitlines())
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_good_leaf_and_the_root_are_kept(files: Files) -> None:
    Authority(files, "i", {}).ensure("a.localhost")
    again = Authority(files, "i", {})
    assert not again.ensure("a.localhost")


@pytest.mark.parametrize("broken", [b"", b"-----BEGIN CERTIFICATE-----\nnonsense\n"])
def test_a_broken_leaf_is_made_anew(files: Files, broken: bytes) -> None:
    authority = Authority(files, "i", {})
    files.certificate("a.localhost").write_bytes(broken)
    assert authority.ensure("a.localhost")
    assert leaf(files, "a.localhost")


def test_a_leaf_without_its_key_or_from_a_clock_that_was_ahead_is_made_anew(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(files, "i", {})
    authority.ensure("a.localhost")
    path = files.certificate("a.localhost")
    path.write_text(path.read_text(encoding="ascii").partition("-----BEGIN PRIVATE KEY")[0], encoding="ascii")
    assert authority.ensure("a.localhost"), "the power went before all of it was written"
    with monkeypatch.context() as patch:
        patch.setattr(root, "_CLOCK_SKEW", -timedelta(days=200))
        path.unlink()
        authority.ensure("a.localhost")
    assert authority.ensure("a.localhost")


def test_a_leaf_that_ends_soon_or_is_of_another_root_is_made_anew(files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = Authority(files, "i", {})
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "_LEAF_LIFE", timedelta(days=29))
        authority.ensure("a.localhost")
    assert authority.ensure("a.localhost")
    stranger = Files(str(tmp_path / "other"))
    stranger.make()
    Authority(stranger, "o", {}).ensure("a.localhost")
    files.certificate("a.localhost").write_bytes(stranger.certificate("a.localhost").read_bytes())
    assert authority.ensure("a.localhost")


def sign_again(files: Files, monkeypatch: pytest.MonkeyPatch, life: timedelta) -> x509.Certificate:
    """A root that has `life` left."""
    with monkeypatch.context() as patch:
        patch.setattr(root, "_LIFE", life)
        Authority(files, "i", {})
    return x509.load_pem_x509_certificate((files.authority / "root.crt").read_bytes())


def test_a_root_that_ends_is_signed_again_and_what_clients_trust_holds_on(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sign_again(files, monkeypatch, timedelta(days=399))
    authority = Authority(files, "other", {})
    after = x509.load_pem_x509_certificate((files.authority / "root.crt").read_bytes())
    assert after.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3600)
    authority.ensure("a.localhost")
    for each in (before, after):
        leaf(files, "a.localhost").verify_directly_issued_by(each)
    assert not authority.problem
    assert not authority.look()


def test_clients_are_told_of_in_the_last_month(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_again(files, monkeypatch, timedelta(days=29))
    assert "have clients trust" in Authority(files, "i", {}).problem


@pytest.mark.parametrize("broken", [b"", b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n", None])
def test_a_lost_key_keeps_what_holds_and_ends_nothing(files: Files, broken: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "_LEAF_LIFE", timedelta(days=20))
        Authority(files, "i", {}).ensure("a.localhost")
    key = files.authority / "root.key"
    good = key.read_bytes()
    trusted = (files.authority / "root.crt").read_bytes()
    key.unlink() if broken is None else key.write_bytes(broken)
    authority = Authority(files, "i", {})
    assert "root.key is of no use" in authority.problem
    assert not authority.ensure("a.localhost"), "it holds, if not for long"
    assert authority.ensure("b.localhost")
    assert not authority.ensure("b.localhost")
    assert (files.authority / "root.crt").read_bytes() == trusted
    assert not authority.look()
    key.write_bytes(good)
    assert authority.look()
    assert not authority.problem
    assert authority.ensure("b.localhost")


def test_a_root_certificate_that_is_lost_is_signed_again_by_its_key(files: Files) -> None:
    Authority(files, "i", {}).ensure("a.localhost")
    before = x509.load_pem_x509_certificate((files.authority / "root.crt").read_bytes())
    (files.authority / "root.crt").write_bytes(b"nonsense")
    authority = Authority(files, "i", {})
    assert not authority.problem
    assert not authority.ensure("a.localhost")
    authority.ensure("b.localhost")
    leaf(files, "b.localhost").verify_directly_issued_by(before)


def test_without_a_root_at_all_the_leaves_that_hold_are_kept(files: Files) -> None:
    Authority(files, "i", {}).ensure("a.localhost")
    for name in ("root.crt", "root.key"):
        (files.authority / name).write_bytes(b"nonsense")
    authority = Authority(files, "i", {})
    assert authority.problem
    assert not authority.ensure("a.localhost")
