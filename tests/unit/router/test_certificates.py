from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from services.router import certificates
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
    root = x509.load_pem_x509_certificate((files.authority / "root.crt").read_bytes())
    made = leaf(files, "a.localhost")
    made.verify_directly_issued_by(root)
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
