"""What a user without root's rights is told: everything that is missing, in one line to paste."""

import pytest

from libs.supervisor.engine import Standing
from libs.supervisor.ordinary import User, refusal
from libs.supervisor.requirements import CACHE, ENGINE, GIT, PROXY, Requirement

ANN = User(name="ann", listed=False, member=False, apt=True, systemd=True)
LISTED = User(name="ann", listed=True, member=False, apt=True, systemd=False)
MEMBER = User(name="ann", listed=True, member=True, apt=True, systemd=False)
ELSEWHERE = User(name="ann", listed=True, member=True, apt=False, systemd=False)
DOCKER = "docker.io '?exact-name(docker-cli)' '?exact-name(docker-buildx)'"
AGAIN = "Then log in again, for a login keeps the groups that it began with"


@pytest.mark.parametrize(
    ("found", "standing", "user", "lines"),
    [
        (
            [PROXY, ENGINE],
            Standing.SILENT,
            ANN,
            [
                "missing on this machine: haproxy (takes the apps' traffic), dockerd (runs the apps)",
                f"Run this first: sudo apt-get update && sudo apt-get install -y haproxy {DOCKER} && sudo usermod -aG docker ann",
                AGAIN,
            ],
        ),
        (
            [CACHE],
            Standing.ANSWERS,
            MEMBER,
            [
                "missing on this machine: redis-server (keeps the latest samples)",
                "Run this first: sudo apt-get update && sudo apt-get install -y redis-server",
            ],
        ),
        (
            [],
            Standing.SILENT,
            ANN,
            [
                "no Docker Engine answers",
                "Run this first: sudo systemctl enable --now docker && sudo usermod -aG docker ann",
                AGAIN,
            ],
        ),
        ([], Standing.SILENT, MEMBER, ["no Docker Engine answers", "Run this first: sudo service docker start"]),
        (
            [],
            Standing.BARRED,
            ANN,
            ["this user may not use the Docker Engine", "Run this first: sudo usermod -aG docker ann", AGAIN],
        ),
        ([], Standing.BARRED, LISTED, ["this user may not use the Docker Engine", AGAIN]),
        (
            [GIT],
            Standing.ANSWERS,
            ELSEWHERE,
            ["missing on this machine: git (fetches sources)", "Run this first: this machine's way to install git (the names in Debian)"],
        ),
    ],
)
def test_what_is_missing(found: list[Requirement], standing: Standing, user: User, lines: list[str]) -> None:
    assert refusal(found, standing, user) == "\n".join(lines)


def test_nothing_is_missing() -> None:
    assert refusal([], Standing.ANSWERS, ANN) is None
