"""Whom backups are encrypted to: an age key pair (https://age-encryption.org/v1) whose secret half the machine does not keep."""

import os
from pathlib import Path

import pyrage

from libs.supervisor.home import Home, write_durably
from libs.supervisor.problem import Problem

SETTING = "DOCKUP_BACKUP_KEY"


def recipient(home: Home) -> tuple[pyrage.x25519.Recipient, str | None]:
    """The public half, and at its making the secret one: it is shown once and then nowhere."""
    if home.backup_recipient.exists():
        return pyrage.x25519.Recipient.from_str(home.backup_recipient.read_text(encoding="ascii").strip()), None
    identity = pyrage.x25519.Identity.generate()
    write_durably(home.backup_recipient, f"{identity.to_public()}\n".encode())
    return identity.to_public(), str(identity)


def identity(key_file: Path | None) -> pyrage.x25519.Identity:
    """The secret half, from a file or from DOCKUP_BACKUP_KEY."""
    try:
        text = key_file.read_text(encoding="utf-8") if key_file else os.environ.get(SETTING, "")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"the key cannot be read from {key_file}: {error}") from error
    for line in text.split():
        if line.startswith("AGE-SECRET-KEY-"):
            try:
                return pyrage.x25519.Identity.from_str(line)
            except pyrage.IdentityError as error:
                raise Problem(f"that is not a whole age key: {error}") from error
    raise Problem(f"a backup opens with its key alone: give --key-file FILE or {SETTING}=AGE-SECRET-KEY-…, as the first backup showed it")
