"""How a reboot brings Dockup back: a systemd unit where there is systemd, else the line that the machine's own way takes."""

import os
import pwd
import shlex
import subprocess
from pathlib import Path

from libs.supervisor.home import Home
from libs.supervisor.problem import Problem

UNIT = Path("/etc/systemd/system/dockup.service")


def text(home: Path, launcher: Path, user: str | None = None) -> str:
    """Write the unit. KillMode=process: a stop ends the supervisor, which ends its services; apps' proxy and engine stay."""
    return f"""[Unit]
Description=Dockup
Wants=network-online.target docker.service
After=network-online.target docker.service

[Service]
{f"User={user}{chr(10)}" if user else ""}Environment={_quoted(f"DOCKUP_HOME={home}")}
ExecStart={_quoted(str(launcher)).replace("$", "$$")} up
KillMode=process
Restart=on-failure
RestartSec=1
# A wrong setting: starting again would not help.
RestartPreventExitStatus=2
TimeoutStartSec=infinity
TimeoutStopSec=60
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
"""


def _quoted(word: str) -> str:
    """One word of a unit file, whatever is in it: quotes and backslashes escaped, `%` is no specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def install(home: Home, launcher: Path) -> list[str]:
    """Write and enable the unit, or say what to do where that is not ours to do. Returns lines for the user."""
    root = os.geteuid() == 0
    if not Path("/run/systemd/system").is_dir():
        return _by_hand(home, launcher, root=root)
    if not root:
        return _for_root_to_do(home, launcher)
    UNIT.write_text(text(home.root, launcher), encoding="utf-8")
    for command in (["systemctl", "daemon-reload"], ["systemctl", "enable", "dockup"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return [
        f"wrote {UNIT} and enabled it: a reboot brings Dockup back",
        f"to hand a running Dockup over to systemd: {_shell(launcher)} down && systemctl start dockup",
        f"to undo this: systemctl disable dockup && rm {UNIT} && systemctl daemon-reload",
    ]


def _for_root_to_do(home: Home, launcher: Path) -> list[str]:
    """An ordinary user's Dockup runs as that user after a boot, too."""
    copy = home.root / "dockup.service"
    copy.write_text(text(home.root, launcher, pwd.getpwuid(os.geteuid()).pw_name), encoding="utf-8")
    return [
        f"wrote the unit to {copy}; to have Dockup back after a reboot, run this:",
        f"  sudo cp {_shell(copy)} {UNIT} && sudo systemctl daemon-reload && sudo systemctl enable dockup",
        f"to undo it: sudo systemctl disable dockup && sudo rm {UNIT} && sudo systemctl daemon-reload",
    ]


def _by_hand(home: Home, launcher: Path, *, root: bool) -> list[str]:
    command = f"DOCKUP_HOME={_shell(home.root)} {_shell(launcher)} up --detach"
    openrc = [f"- OpenRC: put this line into /etc/local.d/dockup.start:  {command}"] if root else []
    return [
        "no systemd runs here; to have Dockup back after a reboot, do this:",
        f"- cron: add this line with `crontab -e`:  @reboot {command}",
        *openrc,
        "to undo it, take that line out again",
    ]


def _shell(path: Path) -> str:
    return shlex.quote(str(path))
