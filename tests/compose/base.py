"""What the images are made from where no registry is reachable: the image DOCKUP_TEST_BASE, else a bootstrapped Debian becomes one."""

import os
import subprocess
import tempfile
from pathlib import Path

REFERENCE = "dockup-test/debian:12"
_BARE = Path(os.environ.get("DOCKUP_BARE_BASE") or "/var/tmp/dockup-bare-base")
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def make() -> str:
    """Return a reference that is on the engine. Needs root and debootstrap unless DOCKUP_TEST_BASE is set."""
    if given := os.environ.get("DOCKUP_TEST_BASE"):
        return given
    if not (_BARE / "etc/debian_version").exists() or (_BARE / "debootstrap").exists():
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(_BARE)], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        archive = Path(folder) / "base.tar"
        subprocess.run(["tar", "-C", str(_BARE), "--exclude=./proc/*", "--exclude=./sys/*", "-cf", str(archive), "."], check=True)
        # The authorities that this machine trusts, of a proxy that it stands behind for example.
        trusted = [name for name in (_BUNDLE, "usr/local/share/ca-certificates") if Path("/", name).exists()]
        subprocess.run(["tar", "-C", "/", "-rhf", str(archive), *trusted], check=True)
        changes = ["--change", f"ENV SSL_CERT_FILE=/{_BUNDLE} PIP_CERT=/{_BUNDLE}"]
        subprocess.run(["docker", "import", *changes, str(archive), REFERENCE], check=True, stdout=subprocess.DEVNULL)
    return REFERENCE
