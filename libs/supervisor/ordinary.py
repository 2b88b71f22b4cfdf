"""What a user without root's rights must have done: everything at once, as one line to paste."""

import grp
import os
import pwd
import shlex
import shutil
from pathlib import Path

import msgspec

from libs.supervisor.engine import Standing
from libs.supervisor.requirements import ENGINE, Requirement

_GROUP = "docker"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """`listed`: the group docker has this user; `member`: this login has the group, too (an older login has not)."""

    name: str
    listed: bool
    member: bool
    apt: bool
    systemd: bool


def me() -> User:
    name = pwd.getpwuid(os.geteuid()).pw_name
    try:
        group = grp.getgrnam(_GROUP)
    except KeyError:
        listed = member = False
    else:
        member = group.gr_gid in {os.getegid(), *os.getgroups()}
        listed = member or name in group.gr_mem
    systemd = Path("/run/systemd/system").is_dir()
    return User(name=name, listed=listed, member=member, apt=shutil.which("apt-get") is not None, systemd=systemd)


def refusal(found: list[Requirement], standing: Standing, user: User) -> str | None:
    """Say what is missing and the line that brings it; None when nothing is."""
    parts = [_missing(found)] if found else []
    if standing is Standing.SILENT and ENGINE not in found:
        parts.append("no Docker Engine answers")
    if standing is Standing.BARRED:
        parts.append("this user may not use the Docker Engine")
    if not parts:
        return None
    sentences = ["; ".join(parts)]
    if commands := _commands(found, standing, user):
        sentences.append(f"Run this first: {' && '.join(commands)}")
    if standing is not Standing.ANSWERS and not user.member:
        sentences.append("Then log in again, for a login keeps the groups that it began with")
    return "\n".join(sentences)


def _missing(found: list[Requirement]) -> str:
    return f"missing on this machine: {', '.join(f'{each.name} ({each.why})' for each in found)}"


def _commands(found: list[Requirement], standing: Standing, user: User) -> list[str]:
    commands = []
    if found and user.apt:
        commands += ["sudo apt-get update", f"sudo apt-get install -y {shlex.join(name for each in found for name in each.packages)}"]
    elif found:
        names = " ".join(each.package for each in found)
        commands.append(f"this machine's way to install {names} (the names in Debian)")
    if standing is Standing.SILENT and ENGINE not in found:
        commands.append("sudo systemctl enable --now docker" if user.systemd else "sudo service docker start")
    if standing is not Standing.ANSWERS and not user.listed:
        commands.append(f"sudo usermod -aG {_GROUP} {user.name}")
    return commands
