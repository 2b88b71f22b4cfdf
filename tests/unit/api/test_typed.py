"""What the audit keeps of a command: enough to know what was done, and no secret."""

import base64

import pytest

from libs.common.masking import Masker
from libs.common.secrets import MASK
from services.api.secrets.typed import hidden

SECRET = "s3cr3t-of-the-app"


@pytest.mark.parametrize(
    "command",
    [
        ("echo", SECRET),
        ("sh", "-c", f"echo {SECRET} | base64"),
        ("sh", "-c", "echo " + base64.b64encode(SECRET.encode()).decode()),
        ("sh", "-c", "PGPASSWORD=hunter22 psql"),
        ("sh", "-c", "PGPASSWORD='hunter22 and more' psql"),
        ("mysql", "--password=hunter22"),
        ("mysql", "--password", "hunter22"),
        ("sh", "-c", "mysql --password hunter22"),
        ("psql", "postgres://u:hunter22@db/app"),
        ("curl", "-H", "Authorization: Bearer hunter22"),
        ("curl", "-H", "X-Api-Key: hunter22"),
        ("env", "API_TOKEN=hunter22", "run"),
    ],
)
def test_no_secret_is_in_it(command: tuple[str, ...]) -> None:
    words = hidden(command, Masker({SECRET}))
    found = " ".join(words)
    assert MASK in found
    assert (len(words), words[0]) == (len(command), command[0])
    for secret in (SECRET, "hunter22", base64.b64encode(SECRET.encode()).decode()):
        assert secret not in found


@pytest.mark.parametrize("command", [("/bin/sh",), ("sh", "-c", "ls -l /data; id"), ("python", "manage.py", "migrate", "--no-input")])
def test_what_has_none_is_as_it_was_typed(command: tuple[str, ...]) -> None:
    assert hidden(command, Masker({SECRET})) == list(command)
